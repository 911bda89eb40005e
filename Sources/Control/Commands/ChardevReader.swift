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
    let type = try arguments.name("type")
    guard let backend = ChardevBackend(rawValue: type) else {
      throw Arguments.noSuchValue("type", type)
    }
    var data = try arguments.object("data")
    try arguments.end()
    let made = try self.backend(backend, &data)
    var configuration = try data.given(keys, of: [], for: []).completed(made)
    configuration.id = id
    try data.end()
    return configuration
  }

  private mutating func backend(
    _ backend: ChardevBackend, _ data: inout Arguments
  ) throws(QMPError) -> ChardevConfiguration.Backend {
    switch backend {
    case .null: return .null
    case .pty: return .pseudoTerminal(link: nil)
    case .stdio: throw QMPError("standard input and output are given out at the start")
    case .memory, .ringbuf:
      return try data.optionalInteger("size").map { .ringBuffer(size: $0) } ?? .ringBuffer()
    case .pipe: return .pipe(path: try data.text("device"))
    case .file: return try file(&data)
    case .socket: return try socket(&data)
    case .udp: return try datagram(&data)
    }
  }

  private mutating func file(
    _ data: inout Arguments
  ) throws(QMPError) -> ChardevConfiguration.Backend {
    let (output, input) = (try data.text("out"), try data.optionalText("in"))
    let given = try data.given(keys, of: [.output], for: [.output])
    if input == nil, let set = DescriptorStore.set(path: output) {
      return try lend(descriptors.first(ofSet: set), name: nil)
    }
    let file = FileConfiguration(output: output, input: input)
    return given.refined(.file(file), as: .output, waits: false)
  }

  // MARK: Sockets

  private enum AddressType: String { case unix, inet, fd, vsock }

  private mutating func socket(
    _ data: inout Arguments
  ) throws(QMPError) -> ChardevConfiguration.Backend {
    var outer = try data.object("addr")
    let type: AddressType = try Self.addressType(&outer)
    var place = try outer.object("data")
    try outer.end()
    let isServer = try data.optionalBool("server") ?? true
    let waits = try data.optionalBool("wait") ?? false
    for name in ["telnet", "tn3270", "websocket"] where try data.optionalBool(name) == true {
      throw QMPError("Parameter '\(name)' is not supported: leave it out")
    }
    guard !waits || !isServer else {
      throw QMPError("'wait' option is incompatible with a machine that has been started")
    }
    guard type != .fd else {
      guard try !data.reconnects(keys, for: []) else {
        throw QMPError("'reconnect' option is incompatible with 'fd' address type")
      }
      guard !waits else {
        throw QMPError("'wait' option is incompatible with 'fd' address type")
      }
      let name = try place.name("str")
      try place.end()
      return try lend(descriptors.named(name), name: name)
    }
    // Whether the socket is reachable decides what an empty host means.
    let isReachable = try data.optionalBool("x-swiftvm-expose") ?? false
    let address = try self.address(type, &place, isReachable: isReachable)
    let target = BackendKey.Target(address, isListening: isServer)
    if isServer, try data.reconnects(keys, for: [target]) {
      throw QMPError("'reconnect' option is incompatible with socket in server listen mode")
    }
    if !isServer, waits {
      throw QMPError("'wait' option is incompatible with socket in client connect mode")
    }
    return try data.given(keys, of: BackendKey.Target.sockets, for: [target])
      .socket(address, isListening: isServer, waits: false)
  }

  private func address(
    _ type: AddressType, _ place: inout Arguments, isReachable: Bool
  ) throws(QMPError) -> SocketConfiguration.Address {
    switch type {
    case .unix:
      let path = try place.text("path")
      let isAbstract = try place.optionalBool("abstract") ?? false
      // Without `tight` the name is filled up with NULs, which no client of ours could give.
      guard try place.optionalBool("tight") ?? true else {
        throw QMPError("Parameter 'tight' does not accept value 'off'")
      }
      try place.end()
      return isAbstract ? .abstract(name: path) : .unix(path: path)
    case .inet:
      let host = try host(&place, isReachable: isReachable)
      let port = try portNumber(&place, "port")
      var last: UInt16?
      if let to = try place.optionalInteger("to") {
        guard let number = UInt16(exactly: to) else { throw Self.badPort("to", String(to)) }
        last = number
      }
      _ = try place.optionalBool("numeric")
      // Peers are watched in any case; for how long, `x-swiftvm-keepalive` says.
      _ = try place.optionalBool("keep-alive")
      guard try place.optionalBool("mptcp") == nil else {
        throw QMPError("Parameter 'mptcp' is not supported: leave it out")
      }
      try place.end()
      return .tcp(host: host, port: port, lastPort: last)
    case .fd, .vsock: throw Arguments.noSuchValue("type", type.rawValue)
    }
  }

  private func datagram(
    _ data: inout Arguments
  ) throws(QMPError) -> ChardevConfiguration.Backend {
    let remote = try internet(data.object("remote"))
    guard let local = try data.optionalObject("local") else {
      return .datagram(DatagramConfiguration(host: remote.host, port: remote.port))
    }
    let place = try internet(local)
    return .datagram(
      DatagramConfiguration(
        host: remote.host, port: remote.port, localHost: place.host, localPort: place.port))
  }

  private func internet(_ address: Arguments) throws(QMPError) -> (host: String, port: UInt16) {
    var address = address
    guard try Self.addressType(&address) == .inet else {
      throw Arguments.noSuchValue("type", "unix")
    }
    var place = try address.object("data")
    try address.end()
    let host = try host(&place, isReachable: false)
    let internet = (host, try portNumber(&place, "port"))
    try place.end()
    return internet
  }

  private func host(_ place: inout Arguments, isReachable: Bool) throws(QMPError) -> String {
    let host = try place.name("host")
    let (ipv4, ipv6) = (try place.optionalBool("ipv4"), try place.optionalBool("ipv6"))
    do throws(KeyProblem) {
      return try InternetAddress.host(host, ipv4: ipv4, ipv6: ipv6, isReachable: isReachable)
    } catch {
      throw QMPError(error.problem)
    }
  }

  private static func addressType(_ address: inout Arguments) throws(QMPError) -> AddressType {
    let type = try address.name("type")
    guard let known = AddressType(rawValue: type) else { throw Arguments.noSuchValue("type", type) }
    return known
  }

  /// A port is a text in QAPI.
  private func portNumber(
    _ place: inout Arguments, _ name: String
  ) throws(QMPError) -> UInt16 {
    let text = try place.name(name)
    guard let port = UInt16(text) else { throw Self.badPort(name, text) }
    return port
  }

  private static func badPort(_ name: String, _ value: String) -> QMPError {
    QMPError("Parameter '\(name)' does not accept value '\(value)': no port has this number")
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
  /// The keys of backends among these.
  ///
  /// - Parameters:
  ///   - family: the kinds whose keys are known here; all others are left, to be refused as unexpected.
  ///   - targets: those of them that are described.
  fileprivate mutating func given(
    _ keys: BackendKeys, of family: Set<BackendKey.Target>, for targets: Set<BackendKey.Target>
  ) throws(QMPError) -> GivenKeys {
    // String keys: the table's.
    var values: [String: KeyValue] = [:]
    for key in keys.keys where key.fits(family) {
      if let name = key.name(in: .qmp) { values[name] = try value(name, key.kind) }
    }
    do throws(KeyProblem) {
      return try GivenKeys(keys, in: .qmp, for: targets) {
        values[$0] != nil
      } value: { _, name in
        values[name] ?? .flag(false)
      }
    } catch {
      throw QMPError(error.problem)
    }
  }

  /// Whether a time to connect again is given.
  fileprivate mutating func reconnects(
    _ keys: BackendKeys, for targets: Set<BackendKey.Target>
  ) throws(QMPError) -> Bool {
    let given = try given(keys, of: BackendKey.Target.sockets, for: targets)
    return ["reconnect", "reconnect-ms"].contains { name in
      given[name].map { $0 != .number(0) } ?? false
    }
  }

  /// A value of this kind, as it stands in JSON.
  private mutating func value(
    _ name: String, _ kind: ValueKind
  ) throws(QMPError) -> KeyValue? {
    switch kind {
    case .flag: return try optionalBool(name).map { .flag($0) }
    case .number, .port, .slot, .permissions: return try optionalInteger(name).map { .number($0) }
    case .size:
      guard let size = try optionalInteger(name) else { return nil }
      guard size >= 0 else { throw Self.noSuchValue(name, String(size)) }
      return .number(size)
    case .time(let unit, let limit):
      guard let time = try optionalInteger(name) else { return nil }
      guard (0...limit).contains(time) else {
        throw QMPError("Parameter '\(name)' expects a number of \(unit)")
      }
      return .number(time)
    case .numbers:
      guard let words = try names(name) else { return nil }
      let numbers = words.compactMap { UInt32($0) }
      guard numbers.count == words.count else { throw Self.noSuchValue(name, "a list") }
      return .numbers(numbers)
    case .choice(let words):
      guard let word = try optionalName(name) else { return nil }
      guard words.contains(word) else { throw Self.noSuchValue(name, word) }
      return .text(word)
    default: return try optionalText(name).map { .text($0) }
    }
  }
}
