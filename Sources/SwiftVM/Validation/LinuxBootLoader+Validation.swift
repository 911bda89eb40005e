import Glibc
import Host

extension LinuxBootLoader {
  /// Checks the command line and all files, as far as no look into them is needed.
  ///
  /// - Returns: the files, with a noun for each, so that nothing writes over them.
  func validate(memorySize: UInt64) throws(ConfigurationError) -> [FileStatus.Identity: String] {
    guard !commandLine.utf8.contains(0) else {
      throw ConfigurationError(
        option: OptionName.append, value: commandLine,
        problem: "the kernel command line holds a NUL byte", remedy: "leave it out")
    }
    let kernel = try BootFile(option: OptionName.kernel, noun: "the kernel", path: kernelPath)
    var files = [kernel.status.identity: "the kernel"]
    var left = memorySize
    for path in initialRamdiskPaths {
      let initrd = try BootFile(option: OptionName.initrd, noun: "the initrd", path: path)
      guard initrd.status.size < left else {
        throw initrd.error(
          "its \(initrd.status.size) bytes do not fit into \(ByteCount.format(memorySize)) of"
            + " guest memory", "give more --memory, or a smaller initrd")
      }
      left -= initrd.status.size
      files[initrd.status.identity] = "the initrd"
    }
    return files
  }
}

/// A file that is read to boot: there, regular, not empty, readable.
private struct BootFile {
  let option: String
  let path: String
  let status: FileStatus

  init(option: String, noun: String, path: String) throws(ConfigurationError) {
    func error(_ problem: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(option: option, value: path, problem: problem, remedy: remedy)
    }
    if let problem = PathRules.problem(in: path) {
      throw error(problem, "give the file of \(noun)")
    }
    do throws(FileProblem) {
      status = try FileStatus(path: path)
    } catch {
      throw ConfigurationError(
        option: option, value: path, problem: "\(noun) \(error.clause)", remedy: "check the path")
    }
    guard status.kind == .regular else {
      throw error(
        "\(noun) \(PathRules.clause(for: status.kind))", "give the path of a regular file")
    }
    guard status.size > 0 else { throw error("\(noun) is an empty file", "build or copy it again") }
    guard access(path, R_OK) == 0 else {
      throw error("no permission to read \(noun)", "make the file readable, e.g. with chmod")
    }
    self.option = option
    self.path = path
  }

  func error(_ problem: String, _ remedy: String) -> ConfigurationError {
    ConfigurationError(option: option, value: path, problem: problem, remedy: remedy)
  }
}
