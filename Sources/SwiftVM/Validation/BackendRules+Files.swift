import Chardev
import Glibc
import Host

// Backends that are files of some kind.

extension BackendRules {
  mutating func checkFiles(
    _ file: FileConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    guard file.output != nil || file.input != nil else {
      throw ConfigurationError(
        .missing, at: path.file.output, "there is no file",
        "give \(path.file.output, "PATH") or \(path.file.input, "PATH")")
    }
    if let input = file.input { try PathTarget(path.file.input, input).checkReadable() }
    guard let output = file.output else {
      guard file.rotation == nil, !file.appends else {
        throw ConfigurationError(
          .conflict, at: path.file.input, "nothing is written to a file",
          "give \(path.file.output, "PATH"), too")
      }
      return
    }
    let target = PathTarget(path.file.output, output)
    try checkFile(target)
    if let mode = file.mode, mode > 0o777 {
      throw ConfigurationError(
        .invalid, at: path.file.mode, given: String(mode, radix: 8),
        "these are not permissions of a file", "give e.g. \(path.file.mode, "640")")
    }
    guard let rotation = file.rotation else { return }
    let (size, count) = (path.file.rotation.size, path.file.rotation.count)
    guard FileConfiguration.Rotation.allowedSizes ~= rotation.size,
      FileConfiguration.Rotation.allowedCounts ~= rotation.count
    else {
      throw ConfigurationError(
        .outOfRange, at: count, given: "\(rotation.count)", "a file cannot be rotated so",
        "give \(size, "") of 4096 or more and \(count, "") from 1 to 100")
    }
    let kind = (try? FileStatus(path: output))?.kind ?? .regular
    guard kind == .regular else {
      throw target.error(
        .unusableFile, "the path \(kind.clause), which cannot be rotated", "leave \(size) out")
    }
  }

  /// A file that is made, emptied or added to.
  mutating func checkFile(_ target: PathTarget) throws(ConfigurationError) {
    let entry = try target.entry()
    if let existing = try? FileStatus(path: target.path) {
      guard existing.kind != .directory, existing.kind != .socket else {
        throw target.error(
          .unusableFile, "the path exists and \(existing.kind.clause)", "choose another path")
      }
      guard access(target.path, W_OK) == 0 else {
        throw target.error(.unusableFile, "no permission to write the file", "choose another path")
      }
      // Devices, terminals among them, can be shared.
      if existing.kind == .device { return }
    } else {
      try entry.checkWritable(for: target)
    }
    try claim(entry, for: target)
  }

  /// FIFOs that are there: a pair, or else one.
  static func checkPipe(_ target: PathTarget) throws(ConfigurationError) {
    try target.checkText()
    func isPipe(_ path: String) -> Bool { (try? FileStatus(path: path))?.kind == .pipe }
    let pair = [target.path + ".in", target.path + ".out"]
    guard !pair.allSatisfy(isPipe), !isPipe(target.path) else { return }
    throw target.error(
      .notFound, "there are no FIFOs of these names",
      "make them: mkfifo \(pair.map(PlainText.shortened).joined(separator: " "))")
  }

  /// A symbolic link that is made, or takes the place of another.
  mutating func checkLink(_ target: PathTarget) throws(ConfigurationError) {
    let entry = try target.entry()
    if let existing = try? FileStatus(path: target.path, followsLink: false) {
      guard existing.kind == .symbolicLink else {
        throw target.error(
          .unusableFile, "the path exists and \(existing.kind.clause)",
          "choose another path, or remove what is there")
      }
    }
    try entry.checkWritable(for: target)
    try claim(entry, for: target)
  }

  static func checkRingBuffer(
    _ size: Int, at path: PropertyPath
  ) throws(ConfigurationError) {
    let property = path.ringBuffer.size
    guard size > 0, size.nonzeroBitCount == 1 else {
      throw ConfigurationError(
        .invalid, at: property, given: "\(size)", "size of ringbuf chardev must be power of two",
        "give e.g. \(property, "64K")")
    }
    guard size <= RingBuffer.largestSize else {
      throw ConfigurationError(
        .outOfRange, at: property, given: "\(size)", "a ring buffer does not keep so much",
        "give at most 256M")
    }
  }

  mutating func checkDescriptor(
    _ source: DescriptorSource, at path: PropertyPath
  ) throws(ConfigurationError) {
    let inUse = ConfigurationError.Text("this descriptor is in use already")
    let remedy = ConfigurationError.Text("give every port one of its own")
    switch source {
    case .number(let number):
      guard number > 0 else {
        throw ConfigurationError(
          .invalid, at: path, given: "\(number)", "this descriptor is standard input",
          "give stdio, or a number from 1 on")
      }
      guard fcntl(number, F_GETFD) != -1 else {
        throw ConfigurationError(
          .notFound, at: path, given: "\(number)",
          "this process has inherited no such descriptor", "open it before swiftvm starts")
      }
      try claim(.descriptor(number: number)) {
        ConfigurationError(.inUse, at: path, given: "\(number)", inUse, remedy)
      }
    case .activation(let name):
      guard !name.isEmpty else {
        throw ConfigurationError(
          .missing, at: path, "the name is empty", "give \(path, "NAME")")
      }
      try claim(.activation(name: Array(name.utf8))) {
        ConfigurationError(.inUse, at: path, given: name, inUse, remedy)
      }
    }
  }
}
