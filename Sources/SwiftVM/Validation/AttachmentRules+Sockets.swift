import Chardev
import Host

// Host ends that are sockets.

extension AttachmentRules {
  mutating func checkSocket(
    _ socket: SocketConfiguration, _ words: AttachmentWords
  ) throws(ConfigurationError) {
    try AttachmentRules.checkOptions(socket, words)
    try AttachmentRules.checkTimes(socket, words)
    let isListening = if case .listening = socket.role { true } else { false }
    switch socket.address {
    case .unix(let path):
      let target = words.path(isListening ? "socket" : "connect", path)
      if isListening { try checkListener(target) } else { try target.checkSocketLength() }
    case .abstract(let name):
      func error(_ problem: String, _ remedy: String) -> ConfigurationError {
        words.error("abstract=" + name, problem, remedy)
      }
      guard !name.isEmpty else { throw error("the name is empty", "give abstract=NAME") }
      guard name.utf8.count <= SocketPath.maximumByteCount else {
        throw error(
          "the name has \(name.utf8.count) bytes, and a socket's at most 107",
          "choose a shorter name")
      }
      guard isListening else { return }
      try claim(.abstractSocket(name: Array(name.utf8))) {
        error("this name is in use already", "give every port a name of its own")
      }
    case .tcp(let host, let port, let lastPort):
      try checkTCP(host, port, lastPort, isListening: isListening, words)
    }
  }

  private mutating func checkTCP(
    _ host: String, _ port: UInt16, _ lastPort: UInt16?, isListening: Bool, _ words: AttachmentWords
  ) throws(ConfigurationError) {
    func error(_ problem: String, _ remedy: String) -> ConfigurationError {
      words.error((isListening ? "tcp=" : "tcp-connect=") + "\(host):\(port)", problem, remedy)
    }
    guard !host.utf8.contains(0) else {
      throw error("the host's name holds a NUL byte", "give another host")
    }
    guard isListening else {
      guard port != 0, lastPort == nil else {
        throw error("a peer has one port, from 1 to 65535", "give HOST:PORT")
      }
      return
    }
    if let lastPort {
      guard lastPort >= port, port != 0 else {
        throw error("the ports' range is empty", "give a last port that is not below the first")
      }
    } else if port != 0 {
      try claim(.port(host: Array(host.utf8), number: port, isDatagram: false)) {
        error("this port is in use already", "give another port")
      }
    }
  }

  mutating func checkDatagram(
    _ datagram: DatagramConfiguration, _ words: AttachmentWords
  ) throws(ConfigurationError) {
    let hosts = [datagram.host, datagram.localHost ?? ""]
    guard datagram.port != 0, !hosts.contains(where: { $0.utf8.contains(0) }) else {
      throw words.error(
        "udp=\(datagram.host):\(datagram.port)", "this is no peer to send to",
        "give a host and a port from 1 to 65535")
    }
    guard datagram.localPort != 0 else { return }
    let local = Claim.port(
      host: Array((datagram.localHost ?? "").utf8), number: datagram.localPort, isDatagram: true)
    try claim(local) {
      words.error(
        "udp=\(datagram.host):\(datagram.port)",
        "the local port \(datagram.localPort) is in use already", "give another port")
    }
  }

  private mutating func checkListener(_ target: PathTarget) throws(ConfigurationError) {
    let length = target.path.utf8.count
    guard length <= SocketPath.maximumByteCount else {
      throw target.error(
        "the path has \(length) bytes, and a socket's at most 107", "choose a shorter path")
    }
    let entry = try target.entry()
    // The link itself counts: bind(2) does not follow it.
    if let existing = try? FileStatus(path: target.path, followsLink: false) {
      guard existing.kind == .socket else {
        throw target.error(
          "the path exists and \(PathRules.clause(for: existing.kind))",
          "choose another path, or remove what is there")
      }
    }
    try entry.checkWritable(for: target)
    try claim(entry, for: target)
  }

  private static func checkTimes(
    _ socket: SocketConfiguration, _ words: AttachmentWords
  ) throws(ConfigurationError) {
    guard SocketConfiguration.allowedKeepaliveSeconds.contains(socket.keepaliveSeconds) else {
      throw words.error(
        "keepalive=\(socket.keepaliveSeconds)", "no peer is watched for so long",
        "give keepalive= from 0 to 32767")
    }
    guard SocketConfiguration.allowedReplaySizes.contains(socket.replaySize) else {
      throw words.error(
        "replay=\(socket.replaySize)", "so much is not kept", "give replay= of at most 16M")
    }
    guard socket.replaySize == 0 || socket.kind == .stream else {
      throw words.error("replay=", "packets are not kept", "leave it or seqpacket out")
    }
  }

  /// What does not depend on the host: which options go together.
  private static func checkOptions(
    _ socket: SocketConfiguration, _ words: AttachmentWords
  ) throws(ConfigurationError) {
    func error(_ value: String, _ problem: String) -> ConfigurationError {
      words.error(value, problem, "leave it out")
    }
    let access = socket.access
    if let mode = access.mode {
      guard mode <= 0o777 else {
        throw words.error(
          "mode=\(String(mode, radix: 8))", "these are no permissions", "give e.g. mode=660")
      }
    }
    let hasFileAccess = access.mode != nil || access.owner != nil || access.group != nil
    let hasPeerAccess = access.peerUsers != nil || access.peerGroups != nil
    switch (socket.address, socket.role) {
    case (.unix, .listening): return
    case (.tcp, _) where socket.kind == .seqpacket:
      throw error("seqpacket=on", "packets are for Unix sockets")
    case (.tcp, .listening) where hasPeerAccess:
      throw error("allow-uid=", "the user of a TCP client is not known")
    case (_, .connecting) where hasPeerAccess:
      throw error(
        access.peerUsers != nil ? "allow-uid=" : "allow-gid=",
        "who may connect is for listening sockets")
    case (_, .connecting) where socket.clients != .exclusive:
      throw error("clients=", "clients are for listening sockets")
    case _ where hasFileAccess:
      throw error("mode=", "permissions are for listening Unix sockets with a path")
    case (_, .connecting(let milliseconds?)):
      guard milliseconds > 0 else {
        throw words.error("reconnect=", "this is no time", "give a time above 0")
      }
    default: return
    }
  }
}
