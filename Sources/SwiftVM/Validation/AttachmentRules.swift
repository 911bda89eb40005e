import Glibc

/// What host ends may be: each possible on this host, none used twice in a machine.
struct AttachmentRules {
  /// The most bytes of a Unix socket's path: `sun_path` without its terminator (unix(7)).
  static let maximumSocketPathLength = 107

  /// What only one attachment can have.
  private enum Claim: Hashable {
    case standardIO
    /// An entry of a directory; spellings of the path may differ.
    case entry(directory: FileStatus.Identity, name: [UInt8])
  }

  private var claims: Set<Claim> = []

  /// Checks that an attachment does not write over a file that is booted from.
  ///
  /// - Parameter bootFiles: these files, with a noun for each.
  static func check(
    _ attachment: SerialPortAttachment, option: String,
    sparing bootFiles: [FileStatus.Identity: String]
  ) throws(ConfigurationError) {
    guard case .file(let file) = attachment.backend, let path = file.output,
      let existing = try? FileStatus(path: path),
      let noun = bootFiles[existing.identity]
    else { return }
    throw Target(option: option, key: "file", path: path)
      .error("this file is \(noun)", "choose another file for the output")
  }

  mutating func check(
    _ attachment: SerialPortAttachment, option: String
  ) throws(ConfigurationError) {
    switch attachment.backend {
    case .standardIO:
      guard claims.insert(.standardIO).inserted else {
        throw ConfigurationError(
          option: option, value: "stdio",
          problem: "standard input and output are in use already",
          remedy: "connect one thing only to stdio")
      }
    case .file(let file):
      if let path = file.output {
        try checkFile(Target(option: option, key: "file", path: path))
      }
    case .socket(let socket):
      if case .unix(let path) = socket.address, case .listening = socket.role {
        try checkSocket(Target(option: option, key: "socket", path: path))
      }
    default: return
    }
  }

  private mutating func checkSocket(_ target: Target) throws(ConfigurationError) {
    let length = target.path.utf8.count
    guard length <= Self.maximumSocketPathLength else {
      throw target.error(
        "the path has \(length) bytes, and a socket's at most 107", "choose a shorter path")
    }
    let entry = try target.entry()
    // The link itself counts: bind(2) does not follow it.
    if let existing = try? FileStatus(path: target.path, followsLink: false) {
      guard existing.kind == .socket else {
        throw target.error(
          "the path exists and \(PathRules.clause(for: existing.kind))",
          "choose another path, or remove what is there")
      }
    }
    try entry.checkWritable(for: target)
    try claim(entry, for: target)
  }

  private mutating func checkFile(_ target: Target) throws(ConfigurationError) {
    let entry = try target.entry()
    if let existing = try? FileStatus(path: target.path) {
      guard existing.kind != .directory, existing.kind != .socket else {
        throw target.error(
          "the path exists and \(PathRules.clause(for: existing.kind))", "choose another path")
      }
      guard access(target.path, W_OK) == 0 else {
        throw target.error("no permission to write the file", "choose another path")
      }
      // Devices, terminals among them, can be shared.
      if existing.kind == .device { return }
    } else {
      try entry.checkWritable(for: target)
    }
    try claim(entry, for: target)
  }

  private mutating func claim(_ entry: Entry, for target: Target) throws(ConfigurationError) {
    let claim = Claim.entry(directory: entry.directory, name: entry.name)
    guard claims.insert(claim).inserted else {
      throw target.error("this path is in use already", "give every port a path of its own")
    }
  }
}

/// A path that an attachment makes or writes to, and how the user gave it.
private struct Target {
  let option: String
  let key: String
  let path: String

  func error(_ problem: String, _ remedy: String) -> ConfigurationError {
    ConfigurationError(
      option: option, value: key + "=" + path, problem: problem, remedy: remedy)
  }

  func entry() throws(ConfigurationError) -> Entry {
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
    return Entry(directoryPath: parts.directory, directory: status.identity, name: parts.name)
  }
}

/// A place in an existing directory.
private struct Entry {
  let directoryPath: String
  let directory: FileStatus.Identity
  let name: [UInt8]

  func checkWritable(for target: Target) throws(ConfigurationError) {
    guard access(directoryPath, W_OK | X_OK) == 0 else {
      throw target.error(
        "no permission to write in the directory \(PlainText.quoted(directoryPath))",
        "choose another path")
    }
  }
}
