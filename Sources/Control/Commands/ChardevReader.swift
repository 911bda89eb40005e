import Chardev
import Host

/// Makes a host end's configuration of chardev-add's arguments (QAPI's ChardevBackend). What cannot
/// be honoured is refused by name.
struct ChardevReader {
  private let id: String
  private let descriptors: DescriptorStore
  /// What the configuration refers to by number; and the name that it had, if any.
  private var lent: (number: Int32, name: String?)?

  init(id: String, descriptors: DescriptorStore) {
    self.id = id
    self.descriptors = descriptors
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
    var configuration = ChardevConfiguration(id: id, try self.backend(backend, &data))
    if let path = try data.optionalText("logfile") {
      configuration.log = LogConfiguration(
        path: path, appends: try data.optionalBool("logappend") ?? false)
    }
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
    let appends = try data.optionalBool("append") ?? false
    if input == nil, let set = DescriptorStore.set(path: output) {
      return try lend(descriptors.first(ofSet: set), name: nil)
    }
    return .file(FileConfiguration(output: output, input: input, appends: appends))
  }

  // MARK: Sockets

  private enum AddressType: String { case unix, inet, fd, vsock }

  private mutating func socket(
    _ data: inout Arguments
  ) throws(QMPError) -> ChardevConfiguration.Backend {
    var address = try data.object("addr")
    let type: AddressType = try Self.addressType(&address)
    var place = try address.object("data")
    try address.end()
    let isServer = try data.optionalBool("server") ?? true
    let waits = try data.optionalBool("wait") ?? false
    let delay = try reconnectDelay(&data)
    for name in ["telnet", "tn3270", "websocket"] where try data.optionalBool(name) == true {
      throw QMPError("Parameter '\(name)' is not supported: leave it out")
    }
    guard !waits || !isServer else {
      throw QMPError("'wait' option is incompatible with a machine that has been started")
    }
    guard type != .fd else {
      guard delay == nil else {
        throw QMPError("'reconnect' option is incompatible with 'fd' address type")
      }
      guard !waits else {
        throw QMPError("'wait' option is incompatible with 'fd' address type")
      }
      let name = try place.name("str")
      try place.end()
      return try lend(descriptors.named(name), name: name)
    }
    if isServer, delay != nil {
      throw QMPError("'reconnect' option is incompatible with socket in server listen mode")
    }
    if !isServer, waits {
      throw QMPError("'wait' option is incompatible with socket in client connect mode")
    }
    var configuration = SocketConfiguration(
      try self.address(type, &place),
      role: isServer ? .listening() : .connecting(reconnectMilliseconds: delay)
    )
    configuration.hasNoDelay = try data.optionalBool("nodelay") ?? configuration.hasNoDelay
    configuration.keepaliveSeconds =
      try data.optionalInteger("x-swiftvm-keepalive") ?? configuration.keepaliveSeconds
    configuration.replaySize =
      try data.optionalInteger("x-swiftvm-replay") ?? configuration.replaySize
    configuration.clients =
      try data.optionalChoice("x-swiftvm-clients") ?? configuration.clients
    configuration.isReachableFromOutside =
      try data.optionalBool("x-swiftvm-expose") ?? configuration.isReachableFromOutside
    return .socket(configuration)
  }

  private func reconnectDelay(_ data: inout Arguments) throws(QMPError) -> Int? {
    let seconds = try data.optionalInteger("reconnect") ?? 0
    let milliseconds = try data.optionalInteger("reconnect-ms") ?? 0
    let sum = seconds.multipliedReportingOverflow(by: 1000)
    guard seconds >= 0, milliseconds >= 0, !sum.overflow else {
      throw QMPError("Parameter 'reconnect' expects a number of seconds")
    }
    return sum.partialValue > 0 ? sum.partialValue : milliseconds > 0 ? milliseconds : nil
  }

  private func address(
    _ type: AddressType, _ place: inout Arguments
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
      let host = try family(&place, host: place.name("host"))
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
    let host = try family(&place, host: place.name("host"))
    let internet = (host, try portNumber(&place, "port"))
    try place.end()
    return internet
  }

  /// The host, by the family of addresses asked for, which of a name but `localhost` is not known.
  private func family(
    _ place: inout Arguments, host: String
  ) throws(QMPError) -> String {
    let (ipv4, ipv6) = (try place.optionalBool("ipv4"), try place.optionalBool("ipv6"))
    guard ipv4 != false || ipv6 != false else { throw QMPError("Invalid address family") }
    // Without a wish, or with both, any will do.
    guard (ipv4 ?? (ipv6 != true)) != (ipv6 ?? (ipv4 != true)) else { return host }
    let wantsIPv4 = ipv4 ?? (ipv6 != true)
    if host.isEmpty || host == "localhost" { return wantsIPv4 ? "127.0.0.1" : "::1" }
    let isIPv6Address = host.utf8.contains(UInt8(ascii: ":"))
    let isIPv4Address = host.utf8.allSatisfy {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".")
    }
    guard wantsIPv4 ? isIPv4Address : isIPv6Address else {
      throw QMPError(
        "Parameter '\(wantsIPv4 ? "ipv4" : "ipv6")': a host's family is told by its address")
    }
    return host
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
