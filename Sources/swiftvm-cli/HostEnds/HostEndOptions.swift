import SwiftVM

/// The options that refine host ends, under the same keys in `-chardev` and in the short forms.
struct HostEndOptions {
  /// What an option may be given for.
  enum Target {
    /// A listening Unix socket with a path.
    case listener
    /// A listening socket in the abstract name space.
    case abstractListener
    /// A listening TCP socket.
    case tcpListener
    /// A connecting Unix socket.
    case connector
    /// A connecting TCP socket.
    case tcpConnector
    /// An output file.
    case output
  }

  private struct Rule {
    let key: String
    let targets: Set<Target>
    /// What the key is for, for the remedy.
    let noun: String
  }

  /// Keys that are on or off.
  static let flags = ["wait", "seqpacket", "nodelay", "expose", "append"]
  /// All other keys.
  static let keys = [
    "reconnect", "reconnect-ms", "clients", "mode", "owner", "group", "allow-uid", "allow-gid",
    "keepalive", "replay", "rotate-size", "rotate-count",
  ]

  private static let listeners: Set<Target> = [.listener, .abstractListener, .tcpListener]
  private static let unixSockets: Set<Target> = [.listener, .abstractListener, .connector]

  private static let rules: [Rule] =
    ["wait", "clients"].map { Rule(key: $0, targets: listeners, noun: "listening sockets") }
    + ["reconnect", "reconnect-ms"].map {
      Rule(key: $0, targets: [.connector, .tcpConnector], noun: "connecting sockets")
    }
    + [
      Rule(
        key: "mode", targets: [.listener, .output],
        noun: "listening Unix sockets with a path, and output files")
    ]
    + ["owner", "group"].map {
      Rule(key: $0, targets: [.listener], noun: "listening Unix sockets with a path")
    }
    + ["allow-uid", "allow-gid"].map {
      Rule(key: $0, targets: [.listener, .abstractListener], noun: "listening Unix sockets")
    }
    + [
      Rule(key: "seqpacket", targets: unixSockets, noun: "Unix sockets"),
      Rule(key: "nodelay", targets: [.tcpListener, .tcpConnector], noun: "TCP"),
      Rule(key: "keepalive", targets: [.tcpListener, .tcpConnector], noun: "TCP"),
      Rule(key: "replay", targets: listeners, noun: "listening sockets"),
      Rule(key: "expose", targets: [.tcpListener], noun: "listening on TCP"),
    ]
    + ["append", "rotate-size", "rotate-count"].map {
      Rule(key: $0, targets: [.output], noun: "output files")
    }

  private let list: KeyValueList

  /// The options of a list that has these host ends.
  init(_ list: KeyValueList, for targets: Set<Target>) throws(ConfigurationError) {
    self.list = list
    for rule in Self.rules where list[rule.key] != nil && rule.targets.isDisjoint(with: targets) {
      throw list.error("\"\(rule.key)\" is for \(rule.noun)", "leave it out")
    }
  }

  /// A socket with these options.
  ///
  /// - Parameter waits: what `wait` is where it is not given.
  func socket(
    _ address: SocketConfiguration.Address, isListening: Bool, waits: Bool
  ) throws(ConfigurationError) -> SocketConfiguration {
    let isReachable = isListening ? try list.isOn("expose") ?? false : false
    var socket = SocketConfiguration(address)
    // Without a host, only who asks for it is reached from outside.
    if case .tcp("", let port, let lastPort) = address, !isReachable {
      socket.address = .tcp(host: InternetAddress.loopback, port: port, lastPort: lastPort)
    }
    if isListening {
      socket.role = .listening(waitsForClient: try list.isOn("wait") ?? waits)
      socket.clients = try list.choice("clients") ?? socket.clients
      socket.isReachableFromOutside = isReachable
      socket.access = try access(address)
      if let size = try list.size("replay") { socket.replaySize = Int(clamping: size) }
    } else {
      socket.role = .connecting(reconnectMilliseconds: try reconnection)
    }
    if try list.isOn("seqpacket") == true { socket.kind = .seqpacket }
    socket.hasNoDelay = try list.isOn("nodelay") ?? socket.hasNoDelay
    socket.keepaliveSeconds = try list.number("keepalive") ?? socket.keepaliveSeconds
    return socket
  }

  /// An output file's permissions and rotation, and whether it is added to.
  func refine(_ file: inout FileConfiguration) throws(ConfigurationError) {
    file.appends = try list.isOn("append") ?? false
    file.mode = try mode
    let count = try list.number("rotate-count")
    guard let size = try list.size("rotate-size") else {
      guard count == nil else {
        throw list.error("\"rotate-count\" is without \"rotate-size\"", "give e.g. rotate-size=1M")
      }
      return
    }
    file.rotation = FileConfiguration.Rotation(size: size, count: count ?? 1)
  }

  // MARK: Parts

  /// The longest time between two tries: a day.
  private static let maximumReconnectMilliseconds = 86_400_000

  /// QEMU's 0 means never, too.
  private var reconnection: Int? {
    get throws(ConfigurationError) {
      let seconds = try list.number("reconnect")
      let milliseconds = try list.number("reconnect-ms")
      guard seconds == nil || milliseconds == nil else {
        throw list.error("\"reconnect\" and \"reconnect-ms\" are the same", "give one of them")
      }
      let limit = Self.maximumReconnectMilliseconds
      let time = milliseconds ?? seconds.map { $0 <= limit / 1000 ? $0 * 1000 : limit + 1 } ?? 0
      guard time <= limit else {
        throw list.error("nobody waits for so long", "give a time of at most a day")
      }
      return time == 0 ? nil : time
    }
  }

  private func access(
    _ address: SocketConfiguration.Address
  ) throws(ConfigurationError) -> SocketConfiguration.Access {
    var access = SocketConfiguration.Access()
    if case .unix = address {
      access.mode = try mode
      access.owner = list["owner"]
      access.group = list["group"]
    }
    if case .tcp = address { return access }
    access.peerUsers = try list.numbers("allow-uid")
    access.peerGroups = try list.numbers("allow-gid")
    return access
  }

  private var mode: UInt32? {
    get throws(ConfigurationError) {
      guard let text = list["mode"] else { return nil }
      let isOctal = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }
      guard isOctal, let mode = UInt32(text, radix: 8), mode <= 0o777 else {
        throw list.error(
          "the value of \"mode\" is not permissions in octal", "give e.g. mode=660")
      }
      return mode
    }
  }
}
