import CKVM
import Glibc
import Host

/// A chardev that is a stream or packet socket, listening or connecting, with one peer at a time.
///
/// A client that leaves with bytes unread stays connected, as far as the front end can tell, until
/// it has read them. One that comes and goes leaving nothing, before the front end could be told,
/// is passed over. What becomes of clients that come while another is there, see `AdmissionPolicy`;
/// those that have left exclude no other. Their bytes are kept in the order of their coming: up to
/// `departedLimit` of them here, the others in the listener's backlog.
package final class SocketChardev: ClientAcceptor, ChardevSession {
  /// How many clients may have left bytes here before further ones stay in the listener's backlog.
  private static let departedLimit = 2
  /// How many clients may wait here, those that have left included, before one that comes without a
  /// listener (`takeClient`) is refused.
  private static let waitingLimit = 32

  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  package let limits: WriteLimits

  private let source: any ConnectionSource
  private let admission: any AdmissionPolicy
  /// Made when there is something to warn of: a machine may have thousands of ports.
  private lazy var log = RateLimitedLog()
  private var tally = SocketCounters()
  private var loop: EventLoop?
  private var peer: SocketPeer?
  private var waiting: [SocketPeer] = []
  private var hasHadPeer = false
  private var interest: EventLoop.Interest = []
  private lazy var settlement = Deferred { [weak self] in self?.settle() }
  private lazy var restDelivery = Deferred { [weak self] in self?.deliverRest() }
  /// The guest's last bytes; then those without a client are taken.
  private var replay: ByteRing?

  init(
    _ source: any ConnectionSource, isPacketed: Bool = false,
    admission: any AdmissionPolicy = ExclusiveAdmission(), replaySize: Int = 0
  ) {
    replay = replaySize > 0 ? ByteRing(capacity: replaySize) : nil
    self.source = source
    self.admission = admission
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
    updateInterest()
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

  // MARK: Peers

  func receive(_ newcomer: SocketPeer) -> Bool {
    // The events of its going may be behind this one.
    peer?.examine()
    for peer in waiting { peer.examine() }
    waiting.removeAll { $0.isFinished }
    settle()
    guard loop != nil else { return false }
    let isTaken = peer.map { !$0.isHungUp } ?? false
    let presentCount = waiting.count { !$0.isHungUp }
    guard waiting.count < Self.waitingLimit else {
      refuse("what others have left is unread")
      return false
    }
    switch admission.judge(isTaken: isTaken, waitingCount: presentCount) {
    case .refused:
      refuse("one is connected")
      return false
    case .waits: break
    case .replaces:
      tally.dismissedClients &+= UInt64(presentCount) &+ (isTaken ? 1 : 0)
      if isTaken { peer?.finish() }
      waiting.removeAll { !$0.isHungUp }
    }
    tally.acceptedClients &+= 1
    newcomer.examine()
    waiting.append(newcomer)
    settle()
    updateInterest()
    if waiting.contains(where: { $0 === newcomer }) { noteWaiting() }
    return true
  }

  /// Nobody can tell a client so on a socket that carries the guest's bytes.
  private func noteWaiting() {
    guard admission is QueueAdmission else { return }
    tally.queuedClients &+= 1
    log.warning("socket '\(source.name)': a client waits for its turn (\(waiting.count) waiting)")
  }

  private func refuse(_ reason: String) {
    tally.refusedClients &+= 1
    log.warning(
      "socket '\(source.name)': a client was refused, since \(reason) "
        + "(\(tally.refusedClients) refused so far)")
  }

  private func isReady(_ peer: SocketPeer, for readiness: EventLoop.Readiness) {
    if !readiness.isDisjoint(with: [.hangup, .error]) {
      peer.examine()
      settle()
      updateInterest()
    }
    // Each call may change what the next condition asks, or end the peer.
    if readiness.contains(.readable), interest.contains(.readable), self.peer === peer {
      delegate?.chardevIsReadable(self)
    }
    if readiness.contains(.writable), self.peer === peer {
      peer.flushPreface()
      if interest.contains(.writable) { delegate?.chardevIsWritable(self) }
      updateInterest()
    }
  }

  /// Brings what the front end knows in line with what is the case. Only from the top of a loop's
  /// turn, since it calls the delegate.
  private func settle() {
    defer { updateAcceptance() }
    while loop != nil {
      if peer?.isFinished == true {
        dropPeer()
        isConnected = false
        delegate?.chardevDidDisconnect(self)
        if peer == nil, waiting.isEmpty { source.lostPeer() }
      } else if peer == nil, !waiting.isEmpty {
        admit(waiting.removeFirst())
      } else {
        return
      }
    }
  }

  /// Further clients are accepted only when what those before them left has been read.
  private func updateAcceptance() {
    let departedCount = waiting.count { $0.isHungUp } + (peer?.isHungUp == true ? 1 : 0)
    source.setAccepts(departedCount < Self.departedLimit)
  }

  private func admit(_ next: SocketPeer) {
    next.examine()
    if next.isFinished { return passOver() }
    guard let loop else { return }
    next.begin(on: loop, preface: replay?.bytes() ?? [])
    next.flushPreface()
    do {
      next.token = try loop.register(next.descriptor, interest: next.interest(interest)) {
        [weak self, unowned next] in
        self?.isReady(next, for: $0)
      }
    } catch {
      log.warning("socket '\(source.name)': a client is lost: \(error)")
      return passOver()
    }
    peer = next
    hasHadPeer = true
    isConnected = true
    delegate?.chardevDidConnect(self)
  }

  private func passOver() {
    if waiting.isEmpty { source.lostPeer() }
  }

  /// The rest of a packet is here, and no event will tell of it.
  private var hasWantedRest: Bool {
    interest.contains(.readable) && peer?.hasPacketRest == true
  }

  private func deliverRest() {
    if hasWantedRest { delegate?.chardevIsReadable(self) }
  }

  private func updateInterest() {
    guard let loop, let peer, let token = peer.token else { return }
    loop.setInterest(peer.interest(interest), for: token)
  }

  private func dropPeer() {
    if let token = peer?.token { loop?.remove(token) }
    peer = nil
  }
}
