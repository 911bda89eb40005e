import Chardev
import Glibc
import Host

/// What backends may be: each possible on this host, none used twice in a machine, and none that writes
/// over a file that the machine boots from.
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
  /// The files that the machine boots from, with a noun for each.
  private var bootFiles: [FileStatus.Identity: String] = [:]

  /// For a machine that is to be made.
  init(sparing bootFiles: [FileStatus.Identity: String]) { self.bootFiles = bootFiles }

  /// For backends that come to a machine that is there already. What others lead to was checked when
  /// they came, and may have changed since; the numbers of their descriptors name other ones by now.
  init(beside existing: VirtualMachineConfiguration) {
    for (backend, owner) in existing.attachments { try? check(backend, of: owner) }
    claims = claims.filter {
      if case .descriptor(let number) = $0 { number <= 2 } else { true }
    }
    bootFiles = (try? existing.bootLoader.validate(memorySize: existing.memorySize)) ?? [:]
  }

  /// Checks a backend, and that nothing else has what it wants.
  ///
  /// - Parameter owner: what the backend belongs to.
  mutating func check(
    _ configuration: ChardevConfiguration, of owner: PropertyPath
  ) throws(ConfigurationError) {
    try check(configuration, at: owner.backend(isIdentified: configuration.id != nil))
  }

  /// Takes what only one can have.
  mutating func claim(
    _ claim: Claim, for value: GivenValue, _ problem: ConfigurationError.Text,
    _ remedy: ConfigurationError.Text
  ) throws(ConfigurationError) {
    try value.require(claims.insert(claim).inserted, else: .inUse, problem, remedy)
  }

  private mutating func check(
    _ configuration: ChardevConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    if let id = configuration.id {
      guard try identify(id, configuration, at: path) else { return }
    }
    if let log = configuration.log { try checkOutput(GivenValue(log.path, at: path.log.path)) }
    switch configuration.backend {
    case .null: return
    case .standardIO:
      for part in [Claim.standardIO, .descriptor(number: 1)] {
        try claim(
          part, for: GivenValue("stdio", at: path),
          "standard input and output are in use already", "connect one thing only to stdio")
      }
    case .socket(let socket): try checkSocket(socket, at: path)
    case .datagram(let datagram): try checkDatagram(datagram, at: path.datagram)
    case .file(let file): try checkFiles(file, at: path.file)
    case .pipe(let pipe): try Self.checkPipe(GivenValue(pipe, at: path.pipe.path))
    case .pseudoTerminal(let link):
      if let link {
        try checkEntry(GivenValue(link, at: path.terminal.link), replacing: .symbolicLink)
      }
    case .ringBuffer(let size): try Self.checkRingBuffer(size, at: path.ringBuffer.size)
    case .descriptor(let source): try checkDescriptor(source, at: path.descriptor)
    case .program(let command):
      try GivenValue("", at: path.program).require(
        !command.isEmpty && !command.utf8.contains(0), else: .missing, "there is no command",
        "give \(path.program, "COMMAND")")
    case .several(let members): try checkMembers(members, at: path)
    }
  }

  /// Notes an id; false for one that is known as this same, shared backend.
  private mutating func identify(
    _ id: String, _ configuration: ChardevConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) -> Bool {
    let given = GivenValue(id, at: path.id)
    try given.requireIdentifier()
    guard let known = identified.updateValue(configuration, forKey: Array(id.utf8)) else {
      return true
    }
    try given.require(
      known == configuration, else: .inUse, "Duplicate ID '\(id)' for chardev", "give another id")
    try given.require(
      configuration.isMultiplexed, else: .inUse, "Device '\(id)' is in use",
      "add \(path.isMultiplexed, "on"), or give every port a chardev of its own")
    return false
  }

  private mutating func checkMembers(
    _ members: [ChardevConfiguration], at path: PropertyPath
  ) throws(ConfigurationError) {
    let given = GivenValue("", at: path)
    try given.require(
      !members.isEmpty, else: .missing, "there is no backend", "name at least one")
    for (index, member) in members.enumerated() {
      if case .several = member.backend {
        throw given.error(
          .conflict, "a backend of several has another of several in it", "name them all")
      }
      let isIdentified = member.id != nil || path.components.last?.isIdentified == true
      try check(member, at: path.backend(isIdentified: isIdentified)[index])
    }
  }

  // MARK: Files

  private mutating func checkFiles(
    _ file: FileConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    if let input = file.input {
      let input = GivenValue(input, at: path.input)
      try input.requirePath()
      let kind = try input.status(of: input.text, "the file").kind
      try Self.requireFile(kind, at: input)
      try input.requireReadable("the file")
    }
    guard let output = file.output else {
      try GivenValue("", at: path.output).require(
        file.input != nil, else: .missing, "there is no file",
        "give \(path.output, "PATH") or \(path.input, "PATH")")
      return try GivenValue("", at: path.input).require(
        file.rotation == nil && !file.appends, else: .conflict, "nothing is written to a file",
        "give \(path.output, "PATH"), too")
    }
    let target = GivenValue(output, at: path.output)
    try checkOutput(target)
    try Self.checkMode(
      file.mode, at: path.mode, "these are not permissions of a file", example: "640")
    guard let rotation = file.rotation else { return }
    let (size, count) = (path.rotation.size, path.rotation.count)
    try GivenValue(rotation.count, at: count).require(
      FileConfiguration.Rotation.allowedSizes ~= rotation.size
        && FileConfiguration.Rotation.allowedCounts ~= rotation.count, else: .outOfRange,
      "a file cannot be rotated so",
      "give \(size, "") of 4096 or more and \(count, "") from 1 to 100")
    let kind = (try? FileStatus(path: output))?.kind ?? .regular
    try target.require(
      kind == .regular, else: .unusableFile, "the path \(kind.clause), which cannot be rotated",
      "leave \(size) out")
  }

  /// A file that is made, emptied or added to.
  private mutating func checkOutput(_ target: GivenValue) throws(ConfigurationError) {
    let place = try target.entry()
    if let existing = try? FileStatus(path: target.text) {
      try Self.requireFile(existing.kind, at: target)
      try target.require(
        access(target.text, W_OK) == 0, else: .unusableFile, "no permission to write the file",
        "choose another path")
      // Devices, terminals among them, can be shared.
      if existing.kind == .device { return }
      if let noun = bootFiles[existing.identity] {
        throw target.error(.inUse, "this file is \(noun)", "choose another file for the output")
      }
    } else {
      try target.requireWritable(place)
    }
    try claim(place, for: target)
  }

  private static func requireFile(
    _ kind: FileStatus.Kind, at target: GivenValue
  ) throws(ConfigurationError) {
    try target.require(
      kind != .directory && kind != .socket, else: .unusableFile,
      "the path exists and \(kind.clause)", "choose another path")
  }

  /// An entry of a directory that is made, or takes the place of another of its kind. A link at the end
  /// of the path is not followed: bind(2) and symlink(2) do not follow it, either.
  mutating func checkEntry(
    _ target: GivenValue, replacing kind: FileStatus.Kind
  ) throws(ConfigurationError) {
    let place = try target.entry()
    if let existing = (try? FileStatus(path: target.text, followsLink: false))?.kind {
      try target.require(
        existing == kind, else: .unusableFile, "the path exists and \(existing.clause)",
        "choose another path, or remove what is there")
    }
    try target.requireWritable(place)
    try claim(place, for: target)
  }

  private mutating func claim(
    _ place: DirectoryPlace, for target: GivenValue
  ) throws(ConfigurationError) {
    try claim(
      .entry(directory: place.directory, name: place.name), for: target,
      "this path is in use already", "give every port a path of its own")
  }

  /// FIFOs that are there: a pair, or else one.
  private static func checkPipe(_ target: GivenValue) throws(ConfigurationError) {
    try target.requirePath()
    func isPipe(_ path: String) -> Bool { (try? FileStatus(path: path))?.kind == .pipe }
    let pair = [target.text + ".in", target.text + ".out"]
    try target.require(
      pair.allSatisfy(isPipe) || isPipe(target.text), else: .notFound,
      "there are no FIFOs of these names",
      "make them: mkfifo \(pair.map(PlainText.shortened).joined(separator: " "))")
  }

  /// Permissions of a file.
  static func checkMode(
    _ mode: UInt32?, at path: PropertyPath, _ problem: ConfigurationError.Text, example: String
  ) throws(ConfigurationError) {
    guard let mode else { return }
    try GivenValue(String(mode, radix: 8), at: path).require(
      mode <= 0o777, else: .invalid, problem, "give e.g. \(path, example)")
  }

  // MARK: The rest

  private static func checkRingBuffer(
    _ size: Int, at path: PropertyPath
  ) throws(ConfigurationError) {
    let given = GivenValue(size, at: path)
    try given.require(
      size > 0 && size.nonzeroBitCount == 1, else: .invalid,
      "size of ringbuf chardev must be power of two", "give e.g. \(path, "64K")")
    try given.require(
      size <= RingBuffer.largestSize, else: .outOfRange, "a ring buffer does not keep so much",
      "give at most 256M")
  }

  private mutating func checkDescriptor(
    _ source: DescriptorSource, at path: PropertyPath
  ) throws(ConfigurationError) {
    let given: GivenValue
    let wanted: Claim
    switch source {
    case .number(let number):
      given = GivenValue(number, at: path)
      wanted = .descriptor(number: number)
      try given.require(
        number > 0, else: .invalid, "this descriptor is standard input",
        "give stdio, or a number from 1 on")
      try given.require(
        fcntl(number, F_GETFD) != -1, else: .notFound,
        "this process has inherited no such descriptor", "open it before swiftvm starts")
    case .activation(let name):
      given = GivenValue(name, at: path)
      wanted = .activation(name: Array(name.utf8))
      try given.require(
        !name.isEmpty, else: .missing, "the name is empty", "give \(path, "NAME")")
    }
    try claim(
      wanted, for: given, "this descriptor is in use already", "give every port one of its own")
  }
}
