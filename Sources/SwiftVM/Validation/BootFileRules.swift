import Glibc
import Host

extension LinuxBootLoader {
  /// Checks the command line and all files, as far as no look into them is needed.
  ///
  /// - Returns: the files, with a noun for each, so that nothing writes over them.
  func validate(memorySize: UInt64) throws(ConfigurationError) -> [FileStatus.Identity: String] {
    guard !commandLine.utf8.contains(0) else {
      throw ConfigurationError(
        .invalid, at: .root.bootLoader.commandLine, given: commandLine,
        "the kernel command line holds a NUL byte", "leave it out")
    }
    let kernel = try BootFile(
      .root.bootLoader.kernelPath, noun: "the kernel", path: kernelPath)
    var files = [kernel.status.identity: "the kernel"]
    var left = memorySize
    for (index, path) in initialRamdiskPaths.enumerated() {
      let initrd = try BootFile(
        .root.bootLoader.initialRamdiskPaths[index], noun: "the initrd", path: path)
      guard initrd.status.size < left else {
        throw initrd.target.error(
          .conflict,
          "its \(initrd.status.size) bytes do not fit into \(ByteCount.format(memorySize)) of"
            + " guest memory", "give more \(PropertyPath.root.memorySize), or a smaller initrd")
      }
      left -= initrd.status.size
      files[initrd.status.identity] = "the initrd"
    }
    return files
  }
}

/// A file that is read to boot: there, regular, not empty, readable.
private struct BootFile {
  let target: PathTarget
  let status: FileStatus

  init(_ property: PropertyPath, noun: String, path: String) throws(ConfigurationError) {
    target = PathTarget(property, path)
    if let problem = PathTarget.problem(in: path) {
      throw target.error(.invalid, .init(problem), "give the file of \(noun)")
    }
    do throws(FileProblem) { status = try FileStatus(path: path) } catch {
      throw target.error(.notFound, "\(noun) \(error.clause)", "check the path")
    }
    guard status.kind == .regular else {
      throw target.error(
        .unusableFile, "\(noun) \(status.kind.clause)", "give the path of a regular file")
    }
    guard status.size > 0 else {
      throw target.error(.unusableFile, "\(noun) is an empty file", "build or copy it again")
    }
    guard access(path, R_OK) == 0 else {
      throw target.error(
        .unusableFile, "no permission to read \(noun)",
        "make the file readable, e.g. with chmod")
    }
  }
}
