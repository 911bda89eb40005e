import Chardev
import Glibc

/// What host ends may be: each possible on this host, none used twice in a machine.
struct AttachmentRules {
  /// What only one attachment can have. Names are bytes: clients choose them.
  enum Claim: Hashable {
    case standardIO
    /// An entry of a directory; spellings of the path may differ.
    case entry(directory: FileStatus.Identity, name: [UInt8])
    case abstractSocket(name: [UInt8])
    case port(host: [UInt8], number: UInt16, isDatagram: Bool)
    case descriptor(number: Int32)
    case activation(name: [UInt8])
  }

  private var claims: Set<Claim> = []
  private var identified: [[UInt8]: ChardevConfiguration] = [:]

  /// For a machine that is to be made.
  init() {}

  /// For host ends that come to a machine that is there already. What others lead to was checked when
  /// they came, and may have changed since; the numbers of their descriptors name other ones by now.
  ///
  /// - Parameter id: the one whose place is taken.
  init(beside existing: VirtualMachineConfiguration, except id: String? = nil) {
    for (attachment, option) in existing.attachments where id == nil || attachment.id != id {
      try? check(attachment, option: option)
    }
    claims = claims.filter {
      if case .descriptor(let number) = $0 { number <= 2 } else { true }
    }
  }

  /// Checks an attachment, and that nothing else has what it wants.
  mutating func check(
    _ attachment: SerialPortAttachment, option: String
  ) throws(ConfigurationError) {
    if let id = attachment.id {
      guard try identify(id, attachment) else { return }
    }
    let words = AttachmentWords(attachment, option: option)
    if let log = attachment.log { try checkFile(words.log(log.path)) }
    switch attachment.backend {
    case .null: return
    case .standardIO:
      for part in [Claim.standardIO, .descriptor(number: 1)] {
        try claim(part) {
          words.error(
            "stdio", "standard input and output are in use already",
            "connect one thing only to stdio")
        }
      }
    case .socket(let socket): try checkSocket(socket, words)
    case .datagram(let datagram): try checkDatagram(datagram, words)
    case .file(let file): try checkFiles(file, words)
    case .pipe(let path): try AttachmentRules.checkPipe(words.path("pipe", path))
    case .pseudoTerminal(let link): if let link { try checkLink(words.path("pty", link)) }
    case .ringBuffer(let size): try AttachmentRules.checkRingBuffer(size, words)
    case .descriptor(let source): try checkDescriptor(source, words)
    case .program(let command):
      guard !command.isEmpty, !command.utf8.contains(0) else {
        throw words.error("exec=", "there is no command", "give exec=COMMAND")
      }
    case .several(let members): try checkMembers(members, words)
    }
  }

  /// Notes an id; false for one that is known as this same, shared host end.
  private mutating func identify(
    _ id: String, _ attachment: ChardevConfiguration
  ) throws(ConfigurationError) -> Bool {
    try IdentifierRules.check(id, option: OptionName.chardev)
    guard let known = identified.updateValue(attachment, forKey: Array(id.utf8)) else {
      return true
    }
    func error(_ problem: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.chardev, value: "id=" + id, problem: problem, remedy: remedy)
    }
    guard known == attachment else {
      throw error("Duplicate ID '\(id)' for chardev", "give another id")
    }
    guard attachment.isMultiplexed else {
      throw error("Device '\(id)' is in use", "add mux=on, or give every port a chardev of its own")
    }
    return false
  }

  private mutating func checkMembers(
    _ members: [ChardevConfiguration], _ words: AttachmentWords
  ) throws(ConfigurationError) {
    guard !members.isEmpty else {
      throw words.error("", "there is no host end", "name at least one")
    }
    for member in members {
      if case .several = member.backend {
        throw words.error("", "a host end of several has another of several in it", "name them all")
      }
      try check(member, option: words.option)
    }
  }

  /// Takes what only one can have.
  mutating func claim(
    _ claim: Claim, orElse error: () -> ConfigurationError
  ) throws(ConfigurationError) {
    guard claims.insert(claim).inserted else { throw error() }
  }

  /// Takes a place in a directory.
  mutating func claim(_ entry: PathEntry, for target: PathTarget) throws(ConfigurationError) {
    try claim(.entry(directory: entry.directory, name: entry.name)) {
      target.error("this path is in use already", "give every port a path of its own")
    }
  }
}

/// How the command line names what a host end is made of: `-chardev` where it has an id, else as a
/// key of the option it belongs to.
struct AttachmentWords {
  let option: String
  private let isChardev: Bool

  init(_ attachment: ChardevConfiguration, option: String) {
    isChardev = attachment.id != nil
    self.option = isChardev ? OptionName.chardev : option
  }

  /// A path of the host end.
  ///
  /// - Parameter key: the key of the short form.
  func path(_ key: String, _ path: String) -> PathTarget {
    let name = !isChardev ? key : key == "input" ? "input-path" : "path"
    return PathTarget(option: option, key: name, path: path)
  }

  /// The path of its log.
  func log(_ path: String) -> PathTarget {
    PathTarget(option: option, key: isChardev ? "logfile" : "log", path: path)
  }

  func error(_ value: String, _ problem: String, _ remedy: String) -> ConfigurationError {
    ConfigurationError(option: option, value: value, problem: problem, remedy: remedy)
  }
}
