import Host

extension LinuxBootLoader {
  /// Checks the command line and all files, as far as no look into them is needed.
  ///
  /// - Returns: the files, with a noun for each, so that nothing writes over them.
  func validate(memorySize: UInt64) throws(ConfigurationError) -> [FileStatus.Identity: String] {
    let path = PropertyPath.root.bootLoader
    try GivenValue(commandLine, at: path.commandLine).require(
      !commandLine.utf8.contains(0), else: .invalid,
      "the kernel command line holds a NUL byte", "leave it out")
    let kernel = try GivenValue(kernelPath, at: path.kernelPath).bootFile("the kernel")
    var files = [kernel.identity: "the kernel"]
    var left = memorySize
    for (index, initrd) in initialRamdiskPaths.enumerated() {
      let given = GivenValue(initrd, at: path.initialRamdiskPaths[index])
      let status = try given.bootFile("the initrd")
      try given.require(
        status.size < left, else: .conflict,
        "its \(status.size) bytes do not fit into \(ByteCount.format(memorySize)) of guest memory",
        "give more \(PropertyPath.root.memorySize), or a smaller initrd")
      left -= status.size
      files[status.identity] = "the initrd"
    }
    return files
  }
}

extension GivenValue {
  /// A file that is read to boot: there, regular, not empty, readable.
  fileprivate func bootFile(_ noun: String) throws(ConfigurationError) -> FileStatus {
    try requirePath("give the file of \(noun)")
    let status = try status(of: text, noun)
    try require(
      status.kind == .regular, else: .unusableFile, "\(noun) \(status.kind.clause)",
      "give the path of a regular file")
    try require(
      status.size > 0, else: .unusableFile, "\(noun) is an empty file", "build or copy it again")
    try requireReadable(noun)
    return status
  }
}
