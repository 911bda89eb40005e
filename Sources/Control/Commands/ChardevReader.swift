import Chardev
import Host

/// Makes a backend's configuration of chardev-add's arguments (QAPI's ChardevBackend). What cannot
/// be honoured is refused by name.
struct ChardevReader {
  private let id: String
  private let descriptors: DescriptorStore
  private let keys: BackendKeys
  /// What the configuration refers to by number; and the name that it had, if any.
  private var lent: (number: Int32, name: String?)?

  init(id: String, descriptors: DescriptorStore, keys: BackendKeys = .standard) {
    self.id = id
    self.descriptors = descriptors
    self.keys = keys
  }

  /// To be called in the end, whether or not the chardev has been made: a descriptor that it took
  /// over has no name any more, one that it did not take is closed.
  func conclude(isMade: Bool) {
    guard let lent else { return }
    if !isMade { PassedDescriptor.takeBack(lent.number) }
    if isMade, let name = lent.name { try? descriptors.close(named: name) }
  }

  /// Whether the configuration, made here, names something on the host beside what clients have
  /// passed along.
  func opensHost(_ configuration: ChardevConfiguration) -> Bool {
    configuration.log != nil || lent == nil && configuration.opensHost
  }

  mutating func configuration(
    _ arguments: inout Arguments
  ) throws(QMPError) -> ChardevConfiguration {
    let word = try arguments.required(.name("type"))
    guard let type = keys.types.first(where: { $0.names.contains(word) }),
      type.use != .commandLine
    else { throw Arguments.noSuchValue("type", word) }
    guard type.use != .atStart else {
      throw QMPError("standard input and output are given out at the start")
    }
    var data = try arguments.required(.object("data"))
    try arguments.end()
    let given = GivenKeys(try data.values(of: type, keys), keys, in: .qmp)
    try data.end()
    var configuration: ChardevConfiguration
    do throws(KeyProblem) { configuration = try type.configuration(given) } catch {
      throw QMPError(error.problem)
    }
    switch configuration.backend {
    case .descriptor(.activation(let name)):
      configuration.backend = try lend(descriptors.named(name), name: name)
    // A number is the process's own, which no client may take.
    case .descriptor(.number(let number)): throw Arguments.noSuchValue("fd", String(number))
    case .file(let file) where file.input == nil:
      if let set = file.output.flatMap(DescriptorStore.set) {
        configuration.backend = try lend(descriptors.first(ofSet: set), name: nil)
      }
    default: break
    }
    configuration.id = id
    return configuration
  }

  private mutating func lend(
    _ descriptor: PassedDescriptor, name: String?
  ) throws(QMPError) -> ChardevConfiguration.Backend {
    do throws(SystemError) {
      let number = try descriptor.duplicateForChardev()
      lent = (number, name)
      return .descriptor(.number(number))
    } catch {
      throw QMPError(error.description)
    }
  }
}

extension Arguments {
  /// The keys of a type of backend, by their names in QMP, those of the type itself by those in
  /// `-chardev`.
  fileprivate mutating func values(
    of type: BackendType, _ keys: BackendKeys
  ) throws(QMPError) -> KeyValues {
    var values = KeyValues()
    for address in BackendType.Member.Address.allCases {
      let known = type.keys.filter { $0.member?.address == address }
      // A datagram socket need not say where it receives.
      guard !known.isEmpty,
        var outer = address == .local
          ? try optional(.object(address.rawValue)) : try required(.object(address.rawValue))
      else { continue }
      let kind = try outer.required(.name("type"))
      var place = try outer.required(.object("data"))
      try outer.end()
      let members = known.filter { $0.member?.type == kind }
      guard !members.isEmpty else { throw Self.noSuchValue("type", kind) }
      for key in members { values[key.name] = try place.value(key) }
      try place.end()
    }
    for key in type.keys where key.member?.address == nil { values[key.name] = try value(key) }
    for (name, kind) in keys.keys(of: type, in: .qmp) { values[name] = try value(name, kind) }
    return values
  }

  /// The value of a type's own key; nil where it is not given, or says what is so in any case.
  private mutating func value(_ key: BackendType.Key) throws(QMPError) -> KeyValue? {
    guard let member = key.member else { return nil }
    guard let value = try value(member.name, key.kind) else {
      guard member.isOptional else { throw missing(member.name) }
      return nil
    }
    guard let honoured = key.honoured else { return value }
    guard honoured.contains(value == .flag(true) ? "on" : "off") else {
      throw QMPError("Parameter '\(member.name)' is not supported: leave it out")
    }
    return nil
  }

  /// A value of this kind, as it stands in JSON.
  private mutating func value(
    _ name: String, _ kind: ValueKind
  ) throws(QMPError) -> KeyValue? {
    switch kind {
    case .flag: return try optional(.bool(name)).map { .flag($0) }
    case .number, .slot, .permissions: return try optional(.integer(name)).map { .number($0) }
    case .port:
      // A text in QAPI, but for the last of a range.
      guard let text = try optional(.scalar(name)) else { return nil }
      do throws(KeyProblem) { return try kind.read(text, of: name) } catch {
        throw QMPError(
          "Parameter '\(name)' does not accept value '\(text)': no port has this number")
      }
    case .size:
      guard let size = try optional(.integer(name)) else { return nil }
      guard size >= 0 else { throw Self.noSuchValue(name, String(size)) }
      return .number(size)
    case .time(let unit, let limit):
      guard let time = try optional(.integer(name)) else { return nil }
      guard (0...limit).contains(time) else {
        throw QMPError("Parameter '\(name)' expects a number of \(unit)")
      }
      return .number(time)
    case .numbers:
      guard let words = try optional(.names(name)) else { return nil }
      let numbers = words.compactMap { UInt32($0) }
      guard numbers.count == words.count else { throw Self.noSuchValue(name, "a list") }
      return .numbers(numbers)
    case .choice(let words):
      guard let word = try optional(.name(name)) else { return nil }
      guard words.contains(word) else { throw Self.noSuchValue(name, word) }
      return .text(word)
    case .name: return try optional(.name(name)).map { .text($0) }
    default: return try optional(.text(name)).map { .text($0) }
    }
  }
}
