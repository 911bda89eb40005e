import Glibc
import Host

/// Peers that come to a listening socket, one a turn, so that the front end hears of each, and may
/// read what it left, before the next is judged.
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
    case .nobody: break
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
