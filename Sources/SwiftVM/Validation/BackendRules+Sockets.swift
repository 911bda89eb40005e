import Chardev
import Host

// Backends that are sockets.

extension BackendRules {
  mutating func checkSocket(
    _ socket: SocketConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    try Self.checkOptions(socket, at: path.socket)
    let isListening = if case .listening = socket.role { true } else { false }
    let place = isListening ? path.socket : path.connection
    switch socket.address {
    case .unix(let text):
      let file = GivenValue(text, at: place.path)
      try file.requireSocketLength("path")
      if isListening {
        try checkEntry(file, replacing: .socket)
      } else {
        try file.requirePath()
      }
    case .abstract(let text):
      let name = GivenValue(text, at: place.abstractName)
      try name.require(
        !text.isEmpty, else: .missing, "the name is empty", "give \(name.property, "NAME")")
      try name.requireSocketLength("name")
      guard isListening else { return }
      try claim(
        .abstractSocket(name: Array(text.utf8)), for: name, "this name is in use already",
        "give every port a name of its own")
    case .tcp(let host, let port, let lastPort):
      let address = GivenValue("\(host):\(port)", at: place.tcp)
      try address.require(
        !host.utf8.contains(0), else: .invalid, "the host's name holds a NUL byte",
        "give another host")
      guard isListening else {
        return try address.require(
          port != 0 && lastPort == nil, else: .invalid, "a peer has one port, from 1 to 65535",
          "give HOST:PORT")
      }
      if let lastPort {
        try address.require(
          lastPort >= port && port != 0, else: .outOfRange, "the ports' range is empty",
          "give a last port that is not below the first")
      } else if port != 0 {
        try claim(
          .port(host: Array(host.utf8), number: port, isDatagram: false), for: address,
          "this port is in use already", "give another port")
      }
    }
  }

  mutating func checkDatagram(
    _ datagram: DatagramConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    let given = GivenValue("\(datagram.host):\(datagram.port)", at: path)
    let localHost = datagram.localHost ?? ""
    try given.require(
      datagram.port != 0 && !(datagram.host + localHost).utf8.contains(0), else: .invalid,
      "this is no peer to send to", "give a host and a port from 1 to 65535")
    guard datagram.localPort != 0 else { return }
    try claim(
      .port(host: Array(localHost.utf8), number: datagram.localPort, isDatagram: true), for: given,
      "the local port \(datagram.localPort) is in use already", "give another port")
  }

  /// What does not depend on the host: which options go together, and how far numbers go.
  private static func checkOptions(
    _ socket: SocketConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    let access = socket.access
    try checkMode(access.mode, at: path.access.mode, "not a valid socket mode", example: "660")
    let isListening = if case .listening = socket.role { true } else { false }
    let (isUnix, isTCP) =
      switch socket.address {
      case .unix: (true, false)
      case .abstract: (false, false)
      case .tcp: (false, true)
      }
    let judgesPeers = access.peerUsers != nil || access.peerGroups != nil
    let peers = access.peerUsers != nil ? path.access.peerUsers : path.access.peerGroups
    let hasFileAccess = access.mode != nil || access.owner != nil || access.group != nil
    let conflicts: [(Bool, PropertyPath, given: String, problem: ConfigurationError.Text)] = [
      (isTCP && socket.kind == .seqpacket, path.kind, "on", "packets are for Unix sockets"),
      (isTCP && isListening && judgesPeers, peers, "", "the user of a TCP client is not known"),
      (!isListening && judgesPeers, peers, "", "who may connect is for listening sockets"),
      (
        !isListening && socket.clients != .exclusive, path.clients, "",
        "clients are for listening sockets"
      ),
      (
        hasFileAccess && !(isUnix && isListening), path.access.mode, "",
        "permissions are for listening Unix sockets with a path"
      ),
    ]
    for (isPresent, property, given, problem) in conflicts where isPresent {
      throw ConfigurationError(.conflict, at: property, given: given, problem, "leave it out")
    }
    if case .connecting(let milliseconds?) = socket.role {
      try GivenValue("", at: path.reconnectMilliseconds).require(
        milliseconds > 0, else: .outOfRange, "this is no time", "give a time above 0")
    }
    let keepalive = path.keepaliveSeconds
    try GivenValue(socket.keepaliveSeconds, at: keepalive).require(
      SocketConfiguration.allowedKeepaliveSeconds.contains(socket.keepaliveSeconds),
      else: .outOfRange, "no peer is watched for so long", "give \(keepalive, "") from 0 to 32767")
    let replay = path.replaySize
    try GivenValue(socket.replaySize, at: replay).require(
      SocketConfiguration.allowedReplaySizes.contains(socket.replaySize), else: .outOfRange,
      "so much is not kept", "give \(replay, "") of at most 16M")
    try GivenValue("", at: replay).require(
      socket.replaySize == 0 || socket.kind == .stream, else: .conflict, "packets are not kept",
      "leave it or \(path.kind) out")
  }
}
