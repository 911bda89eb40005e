import Chardev
import Host

// Backends that are sockets.

extension BackendRules {
  mutating func checkSocket(
    _ socket: SocketConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    try BackendRules.checkOptions(socket, at: path.socket)
    try BackendRules.checkTimes(socket, at: path.socket)
    let isListening = if case .listening = socket.role { true } else { false }
    let place = isListening ? path.socket : path.connection
    switch socket.address {
    case .unix(let text):
      let target = PathTarget(place.path, text)
      if isListening { try checkListener(target) } else { try target.checkSocketLength() }
    case .abstract(let name):
      func error(
        _ code: ConfigurationError.Code, _ problem: ConfigurationError.Text,
        _ remedy: ConfigurationError.Text
      ) -> ConfigurationError {
        ConfigurationError(code, at: place.abstractName, given: name, problem, remedy)
      }
      guard !name.isEmpty else {
        throw error(.missing, "the name is empty", "give \(place.abstractName, "NAME")")
      }
      guard name.utf8.count <= SocketPath.maximumByteCount else {
        throw error(
          .outOfRange, "the name has \(name.utf8.count) bytes, and a socket's at most 107",
          "choose a shorter name")
      }
      guard isListening else { return }
      try claim(.abstractSocket(name: Array(name.utf8))) {
        error(.inUse, "this name is in use already", "give every port a name of its own")
      }
    case .tcp(let host, let port, let lastPort):
      try checkTCP(host, port, lastPort, isListening: isListening, at: place.tcp)
    }
  }

  private mutating func checkTCP(
    _ host: String, _ port: UInt16, _ lastPort: UInt16?, isListening: Bool, at path: PropertyPath
  ) throws(ConfigurationError) {
    func error(
      _ code: ConfigurationError.Code, _ problem: ConfigurationError.Text,
      _ remedy: ConfigurationError.Text
    ) -> ConfigurationError {
      ConfigurationError(code, at: path, given: "\(host):\(port)", problem, remedy)
    }
    guard !host.utf8.contains(0) else {
      throw error(.invalid, "the host's name holds a NUL byte", "give another host")
    }
    guard isListening else {
      guard port != 0, lastPort == nil else {
        throw error(.invalid, "a peer has one port, from 1 to 65535", "give HOST:PORT")
      }
      return
    }
    if let lastPort {
      guard lastPort >= port, port != 0 else {
        throw error(
          .outOfRange, "the ports' range is empty",
          "give a last port that is not below the first")
      }
    } else if port != 0 {
      try claim(.port(host: Array(host.utf8), number: port, isDatagram: false)) {
        error(.inUse, "this port is in use already", "give another port")
      }
    }
  }

  mutating func checkDatagram(
    _ datagram: DatagramConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    let given = "\(datagram.host):\(datagram.port)"
    let hosts = [datagram.host, datagram.localHost ?? ""]
    guard datagram.port != 0, !hosts.contains(where: { $0.utf8.contains(0) }) else {
      throw ConfigurationError(
        .invalid, at: path.datagram, given: given, "this is no peer to send to",
        "give a host and a port from 1 to 65535")
    }
    guard datagram.localPort != 0 else { return }
    let local = Claim.port(
      host: Array((datagram.localHost ?? "").utf8), number: datagram.localPort, isDatagram: true)
    try claim(local) {
      ConfigurationError(
        .inUse, at: path.datagram, given: given,
        "the local port \(datagram.localPort) is in use already", "give another port")
    }
  }

  private mutating func checkListener(_ target: PathTarget) throws(ConfigurationError) {
    try target.checkSocketLength()
    let entry = try target.entry()
    // The link itself counts: bind(2) does not follow it.
    if let existing = try? FileStatus(path: target.path, followsLink: false) {
      guard existing.kind == .socket else {
        throw target.error(
          .unusableFile, "the path exists and \(existing.kind.clause)",
          "choose another path, or remove what is there")
      }
    }
    try entry.checkWritable(for: target)
    try claim(entry, for: target)
  }

  private static func checkTimes(
    _ socket: SocketConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    guard SocketConfiguration.allowedKeepaliveSeconds.contains(socket.keepaliveSeconds) else {
      throw ConfigurationError(
        .outOfRange, at: path.keepaliveSeconds, given: "\(socket.keepaliveSeconds)",
        "no peer is watched for so long", "give \(path.keepaliveSeconds, "") from 0 to 32767")
    }
    guard SocketConfiguration.allowedReplaySizes.contains(socket.replaySize) else {
      throw ConfigurationError(
        .outOfRange, at: path.replaySize, given: "\(socket.replaySize)", "so much is not kept",
        "give \(path.replaySize, "") of at most 16M")
    }
    guard socket.replaySize == 0 || socket.kind == .stream else {
      throw ConfigurationError(
        .conflict, at: path.replaySize, "packets are not kept", "leave it or \(path.kind) out")
    }
  }

  /// What does not depend on the host: which options go together.
  private static func checkOptions(
    _ socket: SocketConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    func conflict(
      _ property: PropertyPath, given value: String = "", _ problem: ConfigurationError.Text
    ) -> ConfigurationError {
      ConfigurationError(.conflict, at: property, given: value, problem, "leave it out")
    }
    let access = socket.access
    if let mode = access.mode, mode > 0o777 {
      throw ConfigurationError(
        .invalid, at: path.access.mode, given: String(mode, radix: 8),
        "not a valid socket mode", "give e.g. \(path.access.mode, "660")")
    }
    let hasFileAccess = access.mode != nil || access.owner != nil || access.group != nil
    let hasPeerAccess = access.peerUsers != nil || access.peerGroups != nil
    let peers = access.peerUsers != nil ? path.access.peerUsers : path.access.peerGroups
    switch (socket.address, socket.role) {
    case (.unix, .listening): return
    case (.tcp, _) where socket.kind == .seqpacket:
      throw conflict(path.kind, given: "on", "packets are for Unix sockets")
    case (.tcp, .listening) where hasPeerAccess:
      throw conflict(peers, "the user of a TCP client is not known")
    case (_, .connecting) where hasPeerAccess:
      throw conflict(peers, "who may connect is for listening sockets")
    case (_, .connecting) where socket.clients != .exclusive:
      throw conflict(path.clients, "clients are for listening sockets")
    case _ where hasFileAccess:
      throw conflict(
        path.access.mode, "permissions are for listening Unix sockets with a path")
    case (_, .connecting(let milliseconds?)) where milliseconds <= 0:
      throw ConfigurationError(
        .outOfRange, at: path.reconnectMilliseconds, "this is no time", "give a time above 0")
    default: return
    }
  }
}
