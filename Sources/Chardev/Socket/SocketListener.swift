import CKVM
import Glibc
import Host

/// Peers that come to a listening socket, one a turn: the front end is told of each, and may read what
/// it left, before the next is judged.
final class SocketListener: ConnectionSource {
  /// How long accepting rests after a failure. The listener stays ready all the time, so trying on
  /// would spin.
  private static let restMilliseconds = 100

  let role = ",server=on"
  let waitsForFirst: Bool

  private let isPacketed: Bool
  private let tcp: TCPOptions
  private let peers: PeerRule
  private let place: SocketAddress
  /// Made when there is something to warn of: a machine may have thousands of ports.
  private lazy var log = RateLimitedLog()
  private var socket: ListeningSocket?
  private var loop: EventLoop?
  private var token: EventLoop.Token?
  private var rest: EventLoop.Timer?
  private var accepts = true
  private var deniedClients: UInt64 = 0
  private var acceptFailures: UInt64 = 0

  init(
    _ socket: consuming ListeningSocket, isPacketed: Bool = false,
    tcp: TCPOptions = TCPOptions(),
    peers: PeerRule = PeerRule(users: nil, groups: nil), waitsForFirst: Bool = false
  ) {
    place = socket.address
    self.isPacketed = isPacketed
    self.tcp = tcp
    self.peers = peers
    self.waitsForFirst = waitsForFirst
    self.socket = consume socket
  }

  var name: String { (place.isInternet ? "tcp:" : "") + place.text }

  /// What it listens at; nil after the end.
  var address: SocketAddress? { socket?.address }

  func count(in counters: inout SocketCounters) {
    counters.deniedClients &+= deniedClients
    counters.acceptFailures &+= acceptFailures
  }

  func start(on loop: EventLoop, deliver: @escaping (SocketPeer) -> Void) throws(SystemError) {
    guard let number = socket?.descriptor.rawValue, self.loop == nil else { return }
    token = try loop.register(number, interest: .readable) { [weak self] _ in
      if let peer = self?.accept() { deliver(peer) }
    }
    self.loop = loop
  }

  func lostPeer() {}

  func setAccepts(_ accepts: Bool) {
    guard accepts != self.accepts else { return }
    self.accepts = accepts
    updateInterest()
  }

  func stop() {
    rest?.cancel()
    if let token { loop?.remove(token) }
    token = nil
    socket = nil
    loop = nil
  }

  private func accept() -> SocketPeer? {
    guard let acceptance = socket?.accept() else { return nil }
    switch consume acceptance {
    case .accepted(let descriptor): return makePeer(descriptor)
    case .none: break
    case .failed(let error): rest(after: error)
    }
    return nil
  }

  private func makePeer(_ descriptor: consuming FileDescriptor) -> SocketPeer? {
    guard peers.allows(descriptor.rawValue) else {
      deniedClients &+= 1
      let denied = deniedClients
      log.warning(
        "socket '\(name)': a client's user may not connect (\(denied) sent away so far)")
      return nil
    }
    // One that came to an inherited socket before it was ours does not know.
    FileDescriptor.refuseDescriptors(descriptor.rawValue)
    descriptor.prepareSocket(socket?.address, tcp: tcp, isPacketed: isPacketed)
    return SocketPeer(descriptor, isPacketed: isPacketed)
  }

  private func rest(after error: SystemError) {
    acceptFailures &+= 1
    log.warning("socket '\(name)': \(error); trying again")
    rest = loop?.after(milliseconds: Self.restMilliseconds) { [weak self] in
      self?.updateInterest()
    }
    updateInterest()
  }

  private func updateInterest() {
    guard let loop, let token else { return }
    loop.setInterest(accepts && rest?.isPending != true ? .readable : [], for: token)
  }
}

/// Whose processes are served on a Unix socket: those of any listed user or listed group; without
/// lists those of all users.
///
/// The kernel tells who a peer was when it connected (`SO_PEERCRED`, `SO_PEERGROUPS`, unix(7)).
struct PeerRule {
  let users: [UInt32]?
  let groups: [UInt32]?

  /// Whether there is a rule at all.
  var isRestrictive: Bool { users != nil || groups != nil }

  /// Whether the connected peer is to be served; one that cannot be asked about is not.
  func allows(_ socket: Int32) -> Bool {
    guard isRestrictive else { return true }
    guard let (user, group) = Self.credentials(socket) else { return false }
    if users?.contains(user) == true { return true }
    guard let groups, !groups.isEmpty else { return false }
    return groups.contains(group) || Self.furtherGroups(socket).contains { groups.contains($0) }
  }

  /// The user of the process that connected, or that made a listening socket listen.
  static func user(of socket: Int32) -> UInt32? { credentials(socket)?.user }

  /// `struct ucred` is a process, a user and a group.
  private static func credentials(_ socket: Int32) -> (user: UInt32, group: UInt32)? {
    var credentials: (process: UInt32, user: UInt32, group: UInt32) = (0, .max, .max)
    var length = socklen_t(MemoryLayout.size(ofValue: credentials))
    guard getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 else {
      return nil
    }
    return (credentials.user, credentials.group)
  }

  /// The supplementary groups. Where they are more than there is room for, the kernel tells how many.
  private static func furtherGroups(_ socket: Int32) -> [UInt32] {
    let option: Int32 = 59  // SO_PEERGROUPS
    let size = MemoryLayout<UInt32>.size
    var length = socklen_t(64 * size)
    for _ in 0..<2 {
      var groups = [UInt32](repeating: 0, count: Int(length) / size)
      if getsockopt(socket, SOL_SOCKET, option, &groups, &length) == 0 {
        return Array(groups.prefix(Int(length) / size))
      }
      guard errno == ERANGE else { break }
    }
    return []
  }
}
