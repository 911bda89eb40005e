import CKVM
import Glibc
import Host

/// A chardev that is a stream or packet socket, listening or connecting, with one peer at a time.
///
/// A client that leaves with bytes unread stays connected, as far as the front end can tell, until
/// it has read them. One that comes and goes leaving nothing, before the front end could be told,
/// is passed over. What becomes of clients that come while another is there, see `SocketConfiguration.Clients`;
/// those that have left exclude no other. Their bytes are kept in the order of their coming: up to
/// `departedLimit` of them here, the others in the listener's backlog.
package final class SocketChardev: ChardevSession {
  package weak var delegate: (any ChardevDelegate)?
  package internal(set) var isConnected = false
  package let limits: WriteLimits

  let source: any ConnectionSource
  let clients: SocketConfiguration.Clients
  /// Made when there is something to warn of: a machine may have thousands of ports.
  lazy var log = RateLimitedLog()
  var tally = SocketCounters()
  var loop: EventLoop?
  var peer: SocketPeer?
  var waiting: [SocketPeer] = []
  var hasHadPeer = false
  private(set) var interest: EventLoop.Interest = []
  private lazy var settlement = Deferred { [weak self] in self?.settle() }
  private lazy var restDelivery = Deferred { [weak self] in self?.deliverRest() }
  /// The guest's last bytes; then those without a client are taken.
  private(set) var replay: ByteRing?

  init(
    _ source: any ConnectionSource, isPacketed: Bool = false,
    clients: SocketConfiguration.Clients = .exclusive, replaySize: Int = 0
  ) {
    replay = replaySize > 0 ? ByteRing(capacity: replaySize) : nil
    self.source = source
    self.clients = clients
    limits = WriteLimits(packet: isPacketed ? Stream.packetLimit : nil)
  }

  /// Where clients come; nil where none do.
  var address: SocketAddress? { (source as? SocketListener)?.address }

  package var waitsForFirstClient: Bool { source.waitsForFirst && !hasHadPeer }

  package var session: (any ChardevSession)? { self }

  package var outputStatus: OutputStatus {
    let count = peer?.prefaceByteCount ?? 0
    return OutputStatus(hasUnsentBytes: count > 0, unreadByteCount: count)
  }

  package var filename: String {
    let name = source.name + source.role
    guard let peer else { return "disconnected:\(name)" }
    return peer.filename(role: source.role) ?? name
  }

  /// Clients that wait for their turn.
  var waitingClientCount: Int {
    for peer in waiting { peer.examine() }
    return waiting.count { !$0.isHungUp }
  }

  /// What has happened so far.
  package var counters: SocketCounters {
    var counters = tally
    source.count(in: &counters)
    return counters
  }

  var isServing: Bool { loop != nil }

  package func start(on loop: EventLoop) throws(SystemError) {
    guard self.loop == nil else { return }
    try source.start(on: loop) { [weak self] in _ = self?.receive($0) }
    self.loop = loop
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    let result = peer?.write(segments) ?? .disconnected
    switch result {
    case .transferred(let count):
      tally.bytesWritten &+= UInt64(count)
      replay?.append(segments, limit: count)
    case .wouldBlock, .lost: break
    case .disconnected:
      updateInterest()
      guard replay != nil else { break }
      let count = segments.byteCount
      replay?.append(segments, limit: count)
      return .transferred(count)
    }
    return result
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard let peer else { return .disconnected }
    let result = peer.read(into: segments)
    if case .transferred(let count) = result { tally.bytesRead &+= UInt64(count) }
    if hasWantedRest { restDelivery.post(on: loop) }
    if peer.isFinished { settlement.post(on: loop) }
    // While the peer is there and sends, the loop has been told what to watch for.
    if peer.isHungUp || result == .wouldBlock || result == .disconnected { updateInterest() }
    return result
  }

  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    interest.set(condition, isWanted)
    updateInterest()
    if hasWantedRest { restDelivery.post(on: loop) }
  }

  package func guestWillOpen() { source.guestWillOpen() }

  package func endOutput() {
    peer?.endOutput()
    updateInterest()
  }

  package func disconnectClient() {
    guard let peer else { return }
    peer.finish()
    updateInterest()
    settlement.post(on: loop)
  }

  package func stop() {
    source.stop()
    dropPeer()
    waiting = []
    isConnected = false
    loop = nil
  }

  // MARK: Interest

  /// The rest of a packet is here, and no event will tell of it.
  private var hasWantedRest: Bool {
    interest.contains(.readable) && hasPacketRest
  }

  private func deliverRest() {
    if hasWantedRest { delegate?.chardevIsReadable(self) }
  }

  func updateInterest() {
    guard let loop, let peer, let token = peer.token else { return }
    loop.setInterest(peer.interest(interest), for: token)
  }

  func dropPeer() {
    if let token = peer?.token { loop?.remove(token) }
    peer = nil
  }
}
