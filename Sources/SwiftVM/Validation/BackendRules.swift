import Chardev
import Glibc

/// What backends may be: each possible on this host, none used twice in a machine.
struct BackendRules {
  /// What only one backend can have. Names are bytes: clients choose them.
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

  /// For backends that come to a machine that is there already. What others lead to was checked when
  /// they came, and may have changed since; the numbers of their descriptors name other ones by now.
  ///
  /// - Parameter id: the one whose place is taken.
  init(beside existing: VirtualMachineConfiguration, except id: String? = nil) {
    for (backend, owner) in existing.attachments where id == nil || backend.id != id {
      try? check(backend, of: owner)
    }
    claims = claims.filter {
      if case .descriptor(let number) = $0 { number <= 2 } else { true }
    }
  }

  /// Checks a backend, and that nothing else has what it wants.
  ///
  /// - Parameter owner: what the backend belongs to.
  mutating func check(
    _ configuration: ChardevConfiguration, of owner: PropertyPath
  ) throws(ConfigurationError) {
    try check(configuration, at: owner.backend(isIdentified: configuration.id != nil))
  }

  private mutating func check(
    _ configuration: ChardevConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    if let id = configuration.id {
      guard try identify(id, configuration, at: path) else { return }
    }
    if let log = configuration.log { try checkFile(PathTarget(path.log.path, log.path)) }
    switch configuration.backend {
    case .null: return
    case .standardIO:
      for part in [Claim.standardIO, .descriptor(number: 1)] {
        try claim(part) {
          ConfigurationError(
            .inUse, at: path, given: "stdio", "standard input and output are in use already",
            "connect one thing only to stdio")
        }
      }
    case .socket(let socket): try checkSocket(socket, at: path)
    case .datagram(let datagram): try checkDatagram(datagram, at: path)
    case .file(let file): try checkFiles(file, at: path)
    case .pipe(let pipe): try BackendRules.checkPipe(PathTarget(path.pipe.path, pipe))
    case .pseudoTerminal(let link):
      if let link { try checkLink(PathTarget(path.terminal.link, link)) }
    case .ringBuffer(let size): try BackendRules.checkRingBuffer(size, at: path)
    case .descriptor(let source): try checkDescriptor(source, at: path.descriptor)
    case .program(let command):
      guard !command.isEmpty, !command.utf8.contains(0) else {
        throw ConfigurationError(
          .missing, at: path.program, "there is no command", "give \(path.program, "COMMAND")")
      }
    case .several(let members): try checkMembers(members, at: path)
    }
  }

  /// Notes an id; false for one that is known as this same, shared backend.
  private mutating func identify(
    _ id: String, _ configuration: ChardevConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) -> Bool {
    try Identifier.check(id, at: path.id)
    guard let known = identified.updateValue(configuration, forKey: Array(id.utf8)) else {
      return true
    }
    guard known == configuration else {
      throw ConfigurationError(
        .inUse, at: path.id, given: id, "Duplicate ID '\(id)' for chardev", "give another id")
    }
    guard configuration.isMultiplexed else {
      throw ConfigurationError(
        .inUse, at: path.id, given: id, "Device '\(id)' is in use",
        "add \(path.isMultiplexed, "on"), or give every port a chardev of its own")
    }
    return false
  }

  private mutating func checkMembers(
    _ members: [ChardevConfiguration], at path: PropertyPath
  ) throws(ConfigurationError) {
    guard !members.isEmpty else {
      throw ConfigurationError(.missing, at: path, "there is no backend", "name at least one")
    }
    for (index, member) in members.enumerated() {
      if case .several = member.backend {
        throw ConfigurationError(
          .conflict, at: path, "a backend of several has another of several in it", "name them all")
      }
      let isIdentified = member.id != nil || path.components.last?.isIdentified == true
      try check(member, at: path.backend(isIdentified: isIdentified)[index])
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
      target.error(.inUse, "this path is in use already", "give every port a path of its own")
    }
  }

  /// Checks that a backend does not write over a file that is booted from.
  ///
  /// - Parameter bootFiles: these files, with a noun for each.
  static func check(
    _ configuration: ChardevConfiguration, of owner: PropertyPath,
    sparing bootFiles: [FileStatus.Identity: String]
  ) throws(ConfigurationError) {
    let path = owner.backend(isIdentified: configuration.id != nil)
    var targets = configuration.log.map { [PathTarget(path.log.path, $0.path)] } ?? []
    switch configuration.backend {
    case .file(let file): targets += file.output.map { [PathTarget(path.file.output, $0)] } ?? []
    case .several(let members):
      for member in members { try check(member, of: path, sparing: bootFiles) }
    default: break
    }
    for target in targets {
      guard let existing = try? FileStatus(path: target.path),
        let noun = bootFiles[existing.identity]
      else { continue }
      throw target.error(.inUse, "this file is \(noun)", "choose another file for the output")
    }
  }
}
