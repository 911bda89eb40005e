import Chardev
import Glibc
import Host

// Host ends that are files of some kind.

extension AttachmentRules {
  /// Checks that an attachment does not write over a file that is booted from.
  ///
  /// - Parameter bootFiles: these files, with a noun for each.
  static func check(
    _ attachment: SerialPortAttachment, option: String,
    sparing bootFiles: [FileStatus.Identity: String]
  ) throws(ConfigurationError) {
    let words = AttachmentWords(attachment, option: option)
    var targets = attachment.log.map { [words.log($0.path)] } ?? []
    switch attachment.backend {
    case .file(let file): targets += file.output.map { [words.path("file", $0)] } ?? []
    case .several(let members):
      for member in members { try check(member, option: option, sparing: bootFiles) }
    default: break
    }
    for target in targets {
      guard let existing = try? FileStatus(path: target.path),
        let noun = bootFiles[existing.identity]
      else { continue }
      throw target.error("this file is \(noun)", "choose another file for the output")
    }
  }

  mutating func checkFiles(
    _ file: FileConfiguration, _ words: AttachmentWords
  ) throws(ConfigurationError) {
    guard file.output != nil || file.input != nil else {
      throw words.error("file=", "there is no file", "give file=PATH or input=PATH")
    }
    if let input = file.input { try words.path("input", input).checkReadable() }
    guard let output = file.output else {
      guard file.rotation == nil, !file.appends else {
        throw words.error("input=", "nothing is written to a file", "give file=PATH, too")
      }
      return
    }
    let target = words.path("file", output)
    try checkFile(target)
    if let mode = file.mode, mode > 0o777 {
      throw words.error(
        "mode=" + String(mode, radix: 8), "these are not permissions of a file",
        "give e.g. mode=640")
    }
    guard let rotation = file.rotation else { return }
    guard FileConfiguration.Rotation.allowedSizes ~= rotation.size,
      FileConfiguration.Rotation.allowedCounts ~= rotation.count
    else {
      throw words.error(
        "rotate-count=\(rotation.count)", "a file cannot be rotated so",
        "give rotate-size= of 4096 or more and rotate-count= from 1 to 100")
    }
    let kind = (try? FileStatus(path: output))?.kind ?? .regular
    guard kind == .regular else {
      throw target.error(
        "the path \(PathRules.clause(for: kind)), which cannot be rotated", "leave rotate-size out")
    }
  }

  /// A file that is made, emptied or added to.
  mutating func checkFile(_ target: PathTarget) throws(ConfigurationError) {
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

  /// FIFOs that are there: a pair, or else one.
  static func checkPipe(_ target: PathTarget) throws(ConfigurationError) {
    if let problem = PathRules.problem(in: target.path) {
      throw target.error(problem, "give \(target.key)=PATH")
    }
    func isPipe(_ path: String) -> Bool { (try? FileStatus(path: path))?.kind == .pipe }
    let pair = [target.path + ".in", target.path + ".out"]
    guard !pair.allSatisfy(isPipe), !isPipe(target.path) else { return }
    throw target.error(
      "there are no FIFOs of these names",
      "make them: mkfifo " + pair.map(PlainText.shortened).joined(separator: " "))
  }

  /// A symbolic link that is made, or takes the place of another.
  mutating func checkLink(_ target: PathTarget) throws(ConfigurationError) {
    let entry = try target.entry()
    if let existing = try? FileStatus(path: target.path, followsLink: false) {
      guard existing.kind == .symbolicLink else {
        throw target.error(
          "the path exists and \(PathRules.clause(for: existing.kind))",
          "choose another path, or remove what is there")
      }
    }
    try entry.checkWritable(for: target)
    try claim(entry, for: target)
  }

  static func checkRingBuffer(_ size: Int, _ words: AttachmentWords) throws(ConfigurationError) {
    guard size > 0, size.nonzeroBitCount == 1 else {
      throw words.error(
        "size=\(size)", "size of ringbuf chardev must be power of two", "give e.g. size=64K")
    }
    guard size <= RingBuffer.largestSize else {
      throw words.error("size=\(size)", "a ring buffer does not keep so much", "give at most 256M")
    }
  }

  mutating func checkDescriptor(
    _ source: DescriptorSource, _ words: AttachmentWords
  ) throws(ConfigurationError) {
    switch source {
    case .number(let number):
      func error(_ problem: String, _ remedy: String) -> ConfigurationError {
        words.error("fd=\(number)", problem, remedy)
      }
      guard number > 0 else {
        throw error("this descriptor is standard input", "give stdio, or a number from 1 on")
      }
      guard fcntl(number, F_GETFD) != -1 else {
        throw error(
          "this process has inherited no such descriptor", "open it before swiftvm starts")
      }
      try claim(.descriptor(number: number)) {
        error("this descriptor is in use already", "give every port one of its own")
      }
    case .activation(let name):
      guard !name.isEmpty else { throw words.error("fd=", "the name is empty", "give fd=NAME") }
      try claim(.activation(name: Array(name.utf8))) {
        words.error(
          "fd=" + name, "this descriptor is in use already", "give every port one of its own")
      }
    }
  }
}
