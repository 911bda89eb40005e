/// Which parts of a socket's configuration can be had together.
struct SocketRules {
  private let socket: SocketConfiguration

  init(_ socket: SocketConfiguration) { self.socket = socket }

  /// Names the first part that cannot be honoured.
  func check() throws(ChardevError) {
    guard SocketConfiguration.allowedKeepaliveSeconds.contains(socket.keepaliveSeconds) else {
      throw ChardevError("keepalive=\(socket.keepaliveSeconds) is no time; give 0 to 32767 seconds")
    }
    if socket.replaySize != 0 { try checkReplay() }
    if case .tcp(_, let port, let last) = socket.address {
      if isPacketed { throw ChardevError("TCP carries no packets; leave seqpacket out") }
      if let last, last < port { throw ChardevError("to=\(last) is below port \(port)") }
    }
    if case .listening = socket.role { return try checkListening() }
    try checkConnecting()
  }

  private var isPacketed: Bool { socket.kind == .seqpacket }

  private var hasFile: Bool { if case .unix = socket.address { true } else { false } }

  private var isTCP: Bool { if case .tcp = socket.address { true } else { false } }

  private var restrictsPeers: Bool {
    socket.access.peerUsers != nil || socket.access.peerGroups != nil
  }

  private var restrictsFile: Bool {
    socket.access.mode != nil || socket.access.owner != nil || socket.access.group != nil
  }

  private func checkReplay() throws(ChardevError) {
    guard case .listening = socket.role, !isPacketed else {
      throw ChardevError("replay= is for sockets of bytes that listen; leave it out")
    }
    guard SocketConfiguration.allowedReplaySizes.contains(socket.replaySize) else {
      throw ChardevError("replay=\(socket.replaySize) is no size; give 1 to 16M")
    }
  }

  private func checkListening() throws(ChardevError) {
    if restrictsFile, !hasFile {
      throw ChardevError(
        "this socket has no file, hence no mode=, owner= or group=; leave them out, or give path=")
    }
    if restrictsPeers, isTCP {
      throw ChardevError(
        "TCP does not tell a client's user; leave allow-uid= and allow-gid= out, or give path=")
    }
  }

  private func checkConnecting() throws(ChardevError) {
    if restrictsFile || restrictsPeers {
      throw ChardevError(
        "access to a socket is its server's matter; leave mode=, owner=, group=, allow-uid= and allow-gid= out, or give server=on"
      )
    }
    if socket.clients != .exclusive {
      throw ChardevError("clients= is for sockets that listen; leave it out, or give server=on")
    }
    if case .tcp(_, let port, let last) = socket.address {
      if last != nil { throw ChardevError("to= is for sockets that listen; leave it out") }
      if port == 0 { throw ChardevError("port 0 is nobody's; give the peer's port") }
    }
    if case .connecting(let time?) = socket.role, time < 1 {
      throw ChardevError("reconnect= must be positive; leave it out to connect once only")
    }
  }
}
