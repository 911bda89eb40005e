import Chardev
import Glibc
import Host

/// A path that a host end makes, writes to or reads, and how the user gave it.
struct PathTarget {
  let option: String
  let key: String
  let path: String

  func error(_ problem: String, _ remedy: String) -> ConfigurationError {
    ConfigurationError(
      option: option, value: key + "=" + path, problem: problem, remedy: remedy)
  }

  /// The place in a directory that exists.
  func entry() throws(ConfigurationError) -> PathEntry {
    if let problem = PathRules.problem(in: path) { throw error(problem, "give \(key)=PATH") }
    guard let parts = PathRules.split(path) else {
      throw error("the path is a directory's", "add a file name to it")
    }
    let status: FileStatus
    do throws(FileProblem) {
      status = try FileStatus(path: parts.directory)
    } catch {
      throw ConfigurationError(
        option: option, value: key + "=" + path,
        problem: "the directory \(PlainText.quoted(parts.directory)) \(error.clause)",
        remedy: "make the directory, or choose another path")
    }
    guard status.kind == .directory else {
      throw error(
        "\(PlainText.quoted(parts.directory)) is not a directory", "choose another path")
    }
    return PathEntry(directoryPath: parts.directory, directory: status.identity, name: parts.name)
  }

  /// A path that fits into a Unix socket's address.
  func checkSocketLength() throws(ConfigurationError) {
    let length = path.utf8.count
    guard length <= SocketPath.maximumByteCount else {
      throw error(
        "the path has \(length) bytes, and a socket's at most 107", "choose a shorter path")
    }
    if let problem = PathRules.problem(in: path) { throw error(problem, "give \(key)=PATH") }
  }

  /// A file that is there to be read.
  func checkReadable() throws(ConfigurationError) {
    if let problem = PathRules.problem(in: path) { throw error(problem, "give \(key)=PATH") }
    let status: FileStatus
    do throws(FileProblem) {
      status = try FileStatus(path: path)
    } catch {
      throw ConfigurationError(
        option: option, value: key + "=" + path, problem: "the file \(error.clause)",
        remedy: "check the path")
    }
    guard status.kind != .directory, status.kind != .socket else {
      throw error(
        "the path exists and \(PathRules.clause(for: status.kind))", "choose another path")
    }
    guard access(path, R_OK) == 0 else {
      throw error("no permission to read the file", "make the file readable, e.g. with chmod")
    }
  }
}

/// A place in an existing directory.
struct PathEntry {
  let directoryPath: String
  let directory: FileStatus.Identity
  let name: [UInt8]

  func checkWritable(for target: PathTarget) throws(ConfigurationError) {
    guard access(directoryPath, W_OK | X_OK) == 0 else {
      throw target.error(
        "no permission to write in the directory \(PlainText.quoted(directoryPath))",
        "choose another path")
    }
  }
}
