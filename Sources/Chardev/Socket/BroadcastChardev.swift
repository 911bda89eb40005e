import CKVM
import Glibc
import Host

/// A listening socket all of whose clients get the guest's output from when they came, while the
/// guest gets what any of them sends, in the order in which it is read; a packet is never mixed
/// with others.
///
/// What a slow client has not taken waits in one buffer for all, which is bounded: when it is full,
/// the slowest holds back the guest and thereby the others. It may do so only while it takes a
/// quarter of the buffer in each `patienceMilliseconds`; otherwise, if others have everything and
/// wait, it is closed and counted. No client that stays misses a byte.
package final class BroadcastChardev: ClientAcceptor, ChardevSession {
  /// How many clients there may be; more are refused at once. Those that have left bytes unread count
  /// no more, but further ones then stay in the listener's backlog.
  static let capacity = 64

  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  package let limits: WriteLimits

  private let source: any ConnectionSource
  private let patienceMilliseconds: Int
  private let log = RateLimitedLog()
  private var tally = SocketCounters()
  private var loop: EventLoop?
  private var members: [BroadcastMember] = []
  private var buffer: BroadcastBuffer
  private var hasHadPeer = false
  private var interest: EventLoop.Interest = []
  private lazy var settlement = Deferred { [weak self] in
    self?.settle()
    self?.update()
  }
  private lazy var turn = Deferred { [weak self] in self?.takeTurn() }
  /// Whose packet is being read.
  private weak var reading: BroadcastMember?
  /// Runs while the buffer is full: where the slowest was when it began.
  private var patience: (timer: EventLoop.Timer, start: UInt64)?

  /// The guest's last bytes; then those without a client are taken.
  private var replay: ByteRing?

  init(
    _ source: any ConnectionSource, isPacketed: Bool = false, patienceMilliseconds: Int = 5000,
    replaySize: Int = 0
  ) {
    replay = replaySize > 0 ? ByteRing(capacity: replaySize) : nil
    self.source = source
    self.patienceMilliseconds = patienceMilliseconds
    limits = WriteLimits(packet: isPacketed ? Stream.packetLimit : nil)
    buffer = BroadcastBuffer(isPacketed: isPacketed)
  }

  /// Where clients come; nil where none do.
  var address: SocketAddress? { (source as? SocketListener)?.address }

  package var waitsForFirstClient: Bool { source.waitsForFirst && !hasHadPeer }
  package var filename: String { (isConnected ? "" : "disconnected:") + source.name + source.role }
  package var session: (any ChardevSession)? { self }
  package var outputStatus: OutputStatus {
    let unread = members.reduce(0) { sum, member in
      sum &+ (member.isBehind(buffer) ? Int(buffer.end &- member.position) : 0)
        &+ member.peer.prefaceByteCount
    }
    return OutputStatus(hasUnsentBytes: hasUnsentBytes, unreadByteCount: unread)
  }

  private var hasUnsentBytes: Bool {
    members.contains { $0.isBehind(buffer) || $0.peer.hasPreface }
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
    guard members.contains(where: \.isPresent) else {
      guard replay != nil else { return .disconnected }
      replay?.append(segments, limit: segments.byteCount)
      return .transferred(segments.byteCount)
    }
    let count = segments.withPrefix(byteCount: limits.packet ?? .max) { buffer.append($0) }
    replay?.append(segments, limit: count)
    flush(members)
    update()
    let isRefused = count == 0 && segments.byteCount > 0
    return isRefused ? .wouldBlock : .transferred(count)
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    defer { update() }
    if let reading, reading.isPresent, reading.peer.hasPacketRest {
      return read(reading, into: segments)
    }
    for index in members.indices where members[index].isPresent {
      let member = members[index]
      guard case .transferred(let count) = read(member, into: segments) else { continue }
      // The others come first next time.
      members.append(members.remove(at: index))
      return .transferred(count)
    }
    return isConnected ? .wouldBlock : .disconnected
  }

  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    interest.set(condition, isWanted)
    update()
    if wantsWritable || wantsReadable && reading?.peer.hasPacketRest == true {
      turn.post(on: isConnected ? loop : nil)
    }
  }

  private var wantsReadable: Bool { interest.contains(.readable) }
  private var wantsWritable: Bool { interest.contains(.writable) }

  package func guestWillOpen() { source.guestWillOpen() }

  package func endOutput() {
    for member in members where member.isPresent {
      member.dismiss(.endOutput, after: buffer, clock: loop?.clock)
    }
    update()
  }

  package func disconnectClient() {
    for member in members { member.dismiss(.close, after: buffer, clock: loop?.clock) }
    update()
    guard hasUnsentBytes else { return }
    // Who does not take what is left has had time for it.
    let end = buffer.end
    loop?.after(milliseconds: patienceMilliseconds) { [weak self] in
      guard let self else { return }
      for member in members where !member.isPresent {
        if let farewell = member.farewell, farewell.at <= end { member.peer.finish() }
      }
      settlement.post(on: loop)
    }
  }

  package func stop() {
    if hasUnsentBytes { log.warning("socket '\(source.name)': a client has not taken everything") }
    source.stop()
    patience?.timer.cancel()
    for member in members {
      if let token = member.peer.token { loop?.remove(token) }
    }
    members = []
    buffer.release()
    isConnected = false
    loop = nil
  }
}

// MARK: - Clients

extension BroadcastChardev {
  func receive(_ newcomer: SocketPeer) -> Bool {
    for member in members { member.peer.examine() }
    settle()
    guard let loop else { return false }
    guard presentCount < Self.capacity else {
      tally.refusedClients &+= 1
      log.warning(
        "socket '\(source.name)': a client was refused, since \(Self.capacity) are connected")
      return false
    }
    tally.acceptedClients &+= 1
    newcomer.examine()
    if newcomer.isFinished { return true }
    let member = BroadcastMember(newcomer, position: buffer.end)
    newcomer.begin(on: loop, preface: replay?.bytes() ?? [])
    newcomer.flushPreface()
    do {
      newcomer.token = try loop.register(newcomer.descriptor, interest: .hangup) {
        [weak self, unowned member] in
        self?.isReady(member, for: $0)
      }
    } catch {
      log.warning("socket '\(source.name)': a client is lost: \(error)")
      return false
    }
    members.append(member)
    hasHadPeer = true
    settle()
    update()
    return true
  }

  private var presentCount: Int { members.count { !$0.peer.isHungUp } }

  private func isReady(_ member: BroadcastMember, for readiness: EventLoop.Readiness) {
    if !readiness.isDisjoint(with: [.hangup, .error]) { member.peer.examine() }
    if readiness.contains(.writable) { flush([member]) }
    settle()
    update()
    // Each call may change what the next condition asks.
    if readiness.contains(.readable), wantsReadable, loop != nil {
      delegate?.chardevIsReadable(self)
    }
    if wantsWritable { turn.post(on: isConnected ? loop : nil) }
  }

  private func read(
    _ member: BroadcastMember, into segments: UnsafeBufferPointer<iovec>
  ) -> TransferResult {
    let result = member.peer.read(into: segments)
    if case .transferred(let count) = result {
      tally.bytesRead &+= UInt64(count)
      reading = member
      if wantsReadable, member.peer.hasPacketRest { turn.post(on: isConnected ? loop : nil) }
    }
    return result
  }

  /// What a client takes and there is no time for has it called again: there is room at its socket.
  private func flush(_ some: [BroadcastMember]) {
    for member in some {
      tally.bytesWritten &+= UInt64(member.flush(buffer, clock: loop?.clock))
    }
    buffer.discard(before: members.map { $0.firstNeeded(in: buffer) }.min() ?? buffer.end)
    if isHeldBack { watchSlowest() }
  }

  /// Brings what the front end knows in line with what is the case. Only from the top of a loop's
  /// turn, since it calls the delegate.
  private func settle() {
    guard loop != nil else { return }
    for member in members where member.peer.isFinished {
      if let token = member.peer.token { loop?.remove(token) }
    }
    members.removeAll { $0.peer.isFinished }
    flush(members)
    source.setAccepts(members.count < Self.capacity || presentCount >= Self.capacity)
    let isPopulated = members.contains(where: \.isPresent)
    if members.isEmpty { buffer.release() }
    guard isPopulated != isConnected else { return }
    isConnected = isPopulated
    if isPopulated {
      delegate?.chardevDidConnect(self)
    } else {
      delegate?.chardevDidDisconnect(self)
    }
  }

  /// Watches what there is to watch, and sees to it that changes are settled.
  private func update() {
    guard let loop else { return }
    for member in members {
      guard let token = member.peer.token else { continue }
      var interest: EventLoop.Interest = wantsReadable && member.isPresent ? .readable : []
      interest.set(.writable, member.isBehind(buffer))
      loop.setInterest(member.peer.interest(interest), for: token)
    }
    let isPopulated = members.contains { $0.isPresent && !$0.peer.isFinished }
    if isPopulated != isConnected || members.contains(where: { $0.peer.isFinished }) {
      settlement.post(on: loop)
    }
  }

  /// Tells the front end what no event tells: room in the buffer, or the rest of a packet.
  private func takeTurn() {
    if wantsReadable, reading?.peer.hasPacketRest == true { delegate?.chardevIsReadable(self) }
    if wantsWritable, isConnected, buffer.hasRoom { delegate?.chardevIsWritable(self) }
  }

  // MARK: Slow clients

  /// Whether the buffer is all but full while some client has everything.
  private var isHeldBack: Bool {
    buffer.count > BroadcastBuffer.capacity / 4 * 3
      && members.contains { $0.isPresent && !$0.isBehind(buffer) }
  }

  private func watchSlowest() {
    guard patience == nil, let loop else { return }
    let timer = loop.after(milliseconds: patienceMilliseconds) { [weak self] in self?.judge() }
    patience = (timer, buffer.start)
  }

  private func judge() {
    guard let began = patience?.start else { return }
    patience = nil
    guard isHeldBack else { return }
    guard buffer.start - began < UInt64(BroadcastBuffer.capacity / 4) else {
      return watchSlowest()
    }
    for member in members where member.isBehind(buffer) && member.position == buffer.start {
      member.peer.finish()
      tally.dismissedClients &+= 1
      log.warning(
        "socket '\(source.name)': a client was too slow for the others, and is disconnected")
    }
    settle()
    update()
    if wantsWritable { turn.post(on: isConnected ? loop : nil) }
  }
}
