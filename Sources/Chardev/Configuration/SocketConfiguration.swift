/// A socket as a backend.
public struct SocketConfiguration: Equatable, Sendable {
  /// Where the socket is.
  public enum Address: Equatable, Sendable {
    /// A Unix socket in the file system.
    case unix(path: String)
    /// A Unix socket in Linux's abstract name space (unix(7)); it has no file and no permissions.
    case abstract(name: String)
    /// TCP at a name, an IPv4 or an IPv6 address; an empty host is every address of this host for a
    /// listener that may be reached from outside, else its loopback addresses. A listener takes the
    /// first free port up to `lastPort`; port 0 is any free one.
    case tcp(host: String, port: UInt16, lastPort: UInt16? = nil)
  }

  /// Who begins.
  public enum Role: Equatable, Sendable {
    /// Clients come. With `waitsForClient` the machine boots once the first is there.
    case listening(waitsForClient: Bool = false)
    /// This side connects, and again after so many milliseconds if it failed or the peer has gone,
    /// each failure doubling them up to a minute, if they are less; nil for once only.
    case connecting(reconnectMilliseconds: Int? = nil)
  }

  /// What a socket carries.
  public enum Kind: String, CaseIterable, Sendable {
    /// Bytes.
    case stream
    /// One packet for each buffer the guest writes, as long as it is no longer than 64 KiB; of a
    /// longer one several. (Of a console's output, what its client was too slow for is sent as bytes
    /// that wait together.) A client's packet ends a buffer of the guest's, so that it is not read
    /// together with the next.
    case seqpacket
  }

  /// What becomes of a client that comes while another is there.
  public enum Clients: String, CaseIterable, Sendable {
    /// It is refused at once.
    case exclusive
    /// It takes the place of the one before.
    case takeover
    /// It waits for its turn, at most 16 of them; one more is refused.
    case queue
    /// All get the guest's output, and the guest gets what any of them sends. One that is so slow
    /// that it holds the others back is disconnected in the end.
    case broadcast
  }

  /// Who may connect, beyond what the file's permissions say.
  public struct Access: Equatable, Sendable {
    /// The socket file's permissions, e.g. 0o660; nil leaves them to the umask.
    public var mode: UInt32?
    /// The socket file's owner, by name or number.
    public var owner: String?
    /// The socket file's group, by name or number.
    public var group: String?
    /// The users, by number, whose processes are served (SO_PEERCRED), beside those of
    /// `peerGroups`; with neither list, all are.
    public var peerUsers: [UInt32]?
    /// The groups, by number, whose processes are served, be it the process's own group or one
    /// more.
    public var peerGroups: [UInt32]?

    /// Makes a rule; by default none.
    public init(
      mode: UInt32? = nil, owner: String? = nil, group: String? = nil,
      peerUsers: [UInt32]? = nil, peerGroups: [UInt32]? = nil
    ) {
      self.mode = mode
      self.owner = owner
      self.group = group
      self.peerUsers = peerUsers
      self.peerGroups = peerGroups
    }
  }

  /// Where it is.
  public var address: Address
  /// Who begins.
  public var role: Role
  /// What it carries.
  public var kind: Kind
  /// What becomes of further clients.
  public var clients: Clients
  /// Who may connect.
  public var access: Access
  /// Whether small writes go out at once on TCP (`TCP_NODELAY`).
  public var hasNoDelay: Bool
  /// How long a TCP peer may give no sign before it is taken for dead and its place is free, in
  /// seconds; 0 for ever. One that answers, and does not read, is not dead.
  public var keepaliveSeconds: Int
  /// How many of the guest's last bytes a client gets when it comes to a listening socket of bytes; 0
  /// for none. Bytes for which there is no client are taken then, as for a file.
  public var replaySize: Int
  /// Whether a TCP listener may be reached from other machines: without, its host is to be a
  /// loopback address.
  public var isReachableFromOutside: Bool

  /// Finds a dead peer within a minute.
  public static let defaultKeepaliveSeconds = 30
  /// What `keepaliveSeconds` may be.
  public static let allowedKeepaliveSeconds = 0...32767
  /// What `replaySize` may be.
  public static let allowedReplaySizes = 0...16 << 20

  /// Makes a description; by default a listener for one client at a time.
  public init(
    _ address: Address, role: Role = .listening(), kind: Kind = .stream,
    clients: Clients = .exclusive, access: Access = Access(), hasNoDelay: Bool = true,
    keepaliveSeconds: Int = defaultKeepaliveSeconds, replaySize: Int = 0,
    isReachableFromOutside: Bool = false
  ) {
    self.address = address
    self.role = role
    self.kind = kind
    self.clients = clients
    self.access = access
    self.hasNoDelay = hasNoDelay
    self.keepaliveSeconds = keepaliveSeconds
    self.replaySize = replaySize
    self.isReachableFromOutside = isReachableFromOutside
  }
}

// Which parts can be had together.
extension SocketConfiguration {
  /// Names the first part that cannot be honoured.
  func check() throws(ChardevError) {
    guard Self.allowedKeepaliveSeconds.contains(keepaliveSeconds) else {
      throw ChardevError("keepalive=\(keepaliveSeconds) is no time; give 0 to 32767 seconds")
    }
    if replaySize != 0 { try checkReplay() }
    if case .tcp(_, let port, let last) = address {
      if isPacketed { throw ChardevError("TCP carries no packets; leave seqpacket out") }
      if let last, last < port { throw ChardevError("to=\(last) is below port \(port)") }
    }
    if case .listening = role { return try checkListening() }
    try checkConnecting()
  }

  private var isPacketed: Bool { kind == .seqpacket }

  private var hasFile: Bool { if case .unix = address { true } else { false } }

  private var isTCP: Bool { if case .tcp = address { true } else { false } }

  private var restrictsPeers: Bool {
    access.peerUsers != nil || access.peerGroups != nil
  }

  private var restrictsFile: Bool {
    access.mode != nil || access.owner != nil || access.group != nil
  }

  private func checkReplay() throws(ChardevError) {
    guard case .listening = role, !isPacketed else {
      throw ChardevError("replay= is for sockets of bytes that listen; leave it out")
    }
    guard Self.allowedReplaySizes.contains(replaySize) else {
      throw ChardevError("replay=\(replaySize) is no size; give 1 to 16M")
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
    if clients != .exclusive {
      throw ChardevError("clients= is for sockets that listen; leave it out, or give server=on")
    }
    if case .tcp(_, let port, let last) = address {
      if last != nil { throw ChardevError("to= is for sockets that listen; leave it out") }
      if port == 0 { throw ChardevError("port 0 belongs to no peer; give the peer's port") }
    }
    if case .connecting(let time?) = role, time < 1 {
      throw ChardevError("reconnect= must be positive; leave it out to connect once only")
    }
  }
}

/// UDP as a backend: every buffer the guest writes is sent as a datagram, or as several where it is
/// longer than a datagram can be; every datagram that comes from the peer is passed on.
public struct DatagramConfiguration: Equatable, Sendable {
  /// The peer's host, a name or an address.
  public var host: String
  /// The peer's port.
  public var port: UInt16
  /// The address that datagrams are received at; nil for a loopback address if the peer's is one,
  /// else for every address of this host. The peer's datagrams alone come in.
  public var localHost: String?
  /// The port that datagrams are received at; 0 for any.
  public var localPort: UInt16

  /// Makes a description.
  public init(
    host: String = "localhost", port: UInt16, localHost: String? = nil, localPort: UInt16 = 0
  ) {
    self.host = host
    self.port = port
    self.localHost = localHost
    self.localPort = localPort
  }
}
