import CKVM
import Glibc
import Host

/// Several backends for one front end: output goes to each that is connected, input comes from each.
///
/// The members are chardevs that it was made with, or else the clients of a listening socket, which
/// come and go (`clients=broadcast`). It is connected while any of them is. A packet is never mixed
/// with others.
///
/// What a member does not take at once waits in one buffer for all, which is bounded: the slowest
/// sets the pace, files and ring buffers never do, and no member misses or gets twice a byte while it
/// is connected. One that leaves forfeits what waited for it. A socket's client may hold the others
/// back only while it takes a quarter of the buffer in each `patienceMilliseconds`; otherwise, if
/// others have everything and wait, it is closed and counted.
package final class HubChardev: ClientAcceptor, ChardevSession, ChardevTerminal {
  /// The most bytes of one write to members that stay, and so the most that is kept for one of them.
  static let pendingLimit = 64 << 10
  /// How many clients there may be; more are refused at once. Those that have left bytes unread count
  /// no more, but further ones then stay in the listener's backlog.
  static let clientCapacity = 64

  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  package let limits: WriteLimits

  /// Where clients come from; nil for members that stay.
  private let source: (any ConnectionSource)?
  private let patienceMilliseconds: Int
  private lazy var log = RateLimitedLog()
  private var tally = SocketCounters()
  private var loop: EventLoop?
  private var members: [HubMember] = []
  private var buffer: HubBuffer
  private var hasHadClient = false
  private var interest: EventLoop.Interest = []
  /// Whose turn it is to be read.
  private var next = 0
  /// Whose packet is being read.
  private weak var reading: HubMember?
  /// Runs while the buffer is full: where the slowest was when it began.
  private var patience: (timer: EventLoop.Timer, start: UInt64)?
  /// The guest's last bytes; then those without a client are taken.
  private var replay: ByteRing?
  private lazy var settlement = Deferred { [weak self] in self?.settle() }
  private lazy var writability = Deferred { [weak self] in self?.tellWritable() }

  /// A hub of chardevs that stay.
  package init(_ chardevs: [any Chardev]) {
    let limits = chardevs.map(\.limits)
    self.limits = WriteLimits(
      packet: limits.compactMap(\.packet).min(), call: limits.map(\.call).min() ?? .max)
    source = nil
    patienceMilliseconds = 0
    buffer = HubBuffer(capacity: Self.pendingLimit, isPacketed: self.limits.packet != nil)
    members = chardevs.map { HubMember($0, position: 0) }
    for chardev in chardevs { chardev.delegate = self }
  }

  /// A hub of clients that come from `source`.
  init(
    clientsOf source: any ConnectionSource, isPacketed: Bool = false,
    patienceMilliseconds: Int = 5000, replaySize: Int = 0
  ) {
    limits = WriteLimits(packet: isPacketed ? Stream.packetLimit : nil)
    self.source = source
    self.patienceMilliseconds = patienceMilliseconds
    buffer = HubBuffer(capacity: 256 << 10, isPacketed: isPacketed)
    replay = replaySize > 0 ? ByteRing(capacity: replaySize) : nil
  }

  package func start(on loop: EventLoop) throws(SystemError) {
    guard self.loop == nil else { return }
    try source?.start(on: loop) { [weak self] in _ = self?.receive($0) }
    self.loop = loop
    for member in members { try member.chardev.start(on: loop) }
  }

  package func stop() {
    if source != nil, outputStatus.hasUnsentBytes {
      log.warning("\(title): a client has not taken everything")
    }
    source?.stop()
    patience?.timer.cancel()
    loop = nil
    isConnected = false
    for member in members { member.chardev.stop() }
    if source != nil { members = [] }
    buffer.release()
  }

  // MARK: What it is

  /// The chardevs it was made with; nil for a hub of clients.
  var chardevs: [any Chardev]? { source == nil ? members.map(\.chardev) : nil }

  package var filename: String {
    guard let source else {
      return "hub:" + members.map(\.chardev.filename).joined(separator: "+")
    }
    return (isConnected ? "" : "disconnected:") + source.name + source.role
  }

  private var title: String { "socket '\(source?.name ?? "")'" }

  package var outputStatus: OutputStatus {
    members.reduce(OutputStatus()) { sum, member in
      let status = member.chardev.outputStatus
      let pending = member.pendingByteCount(in: buffer)
      return OutputStatus(
        hasUnsentBytes: sum.hasUnsentBytes || status.hasUnsentBytes || pending > 0,
        unreadByteCount: sum.unreadByteCount &+ status.unreadByteCount &+ pending)
    }
  }

  /// What has happened so far at the socket.
  var counters: SocketCounters {
    var counters = tally
    source?.count(in: &counters)
    return counters
  }

  /// Bytes that waited for members that have left, or that a chardev could not write.
  var bytesForfeited: UInt64 { members.reduce(0) { $0 &+ $1.bytesForfeited } }

  // MARK: What some members have

  private var sessions: [any ChardevSession] { members.compactMap(\.chardev.session) }
  private var terminals: [any ChardevTerminal] { members.compactMap(\.chardev.terminal) }

  package var session: (any ChardevSession)? { self }
  package var terminal: (any ChardevTerminal)? { self }

  package var waitsForFirstClient: Bool {
    source.map { $0.waitsForFirst && !hasHadClient }
      ?? sessions.contains { $0.waitsForFirstClient }
  }

  package func guestWillOpen() {
    source?.guestWillOpen()
    for session in sessions { session.guestWillOpen() }
  }

  package func endOutput() {
    guard source != nil else { return sessions.forEach { $0.endOutput() } }
    for member in members where member.isPresent { dismiss(member, .endOutput) }
    update()
  }

  package func disconnectClient() {
    guard source != nil else { return sessions.forEach { $0.disconnectClient() } }
    for member in members { dismiss(member, .close) }
    update()
    settlement.post(on: loop)
    guard outputStatus.hasUnsentBytes else { return }
    // A client that does not take what is left has had time for it.
    let end = buffer.end
    loop?.after(milliseconds: patienceMilliseconds) { [weak self] in
      guard let self else { return }
      for member in members where !member.isPresent { member.close(ifDismissedBy: end) }
      settle()
    }
  }

  private func dismiss(_ member: HubMember, _ farewell: HubMember.Farewell) {
    member.dismiss(farewell, after: buffer)
    flush(member)
  }

  package var windowSize: Terminal.Size? { terminals.lazy.compactMap(\.windowSize).first }
  package func windowSizeMayHaveChanged() {
    for terminal in terminals { terminal.windowSizeMayHaveChanged() }
  }
}

// MARK: - Bytes

extension HubChardev {
  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    let hasReader = source == nil ? isConnected : members.contains(where: \.isPresent)
    guard hasReader else {
      guard replay != nil else { return .disconnected }
      replay?.append(segments)
      return .transferred(segments.byteCount)
    }
    flushAll()
    let limit = min(limits.packet ?? .max, buffer.capacity)
    let result = segments.withPrefix(byteCount: limit) { pass($0) }
    if case .transferred(let count) = result { replay?.append(segments, limit: count) }
    update()
    return result
  }

  /// Straight to each member where none is behind; what one of them does not take is kept.
  private func pass(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    let total = segments.byteCount
    guard buffer.count == 0 else {
      guard source != nil else { return .wouldBlock }
      let count = buffer.append(segments)
      flushAll()
      return count > 0 || total == 0 ? .transferred(count) : .wouldBlock
    }
    var least = total
    var isTaken = false
    for member in members where member.farewell == nil {
      let (count, isOutput) =
        mayCallClient ? member.write(segments, at: buffer.end) : (0, true)
      isTaken = isTaken || isOutput
      least = min(least, count)
      if source != nil { tally.bytesWritten &+= UInt64(count) }
    }
    buffer.append(segments, skipping: least)
    return isTaken || source != nil ? .transferred(total) : .lost(total)
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    if let reading, reading.isPresent, reading.client?.hasPacketRest == true {
      return read(reading, into: segments)
    }
    for offset in members.indices {
      let index = (next + offset) % members.count
      guard members[index].isPresent,
        case .transferred(let count) = read(members[index], into: segments)
      else { continue }
      next = (index + 1) % members.count
      return .transferred(count)
    }
    return isConnected ? .wouldBlock : .disconnected
  }

  private func read(
    _ member: HubMember, into segments: UnsafeBufferPointer<iovec>
  ) -> TransferResult {
    let result = member.chardev.read(into: segments)
    if case .transferred(let count) = result {
      tally.bytesRead &+= UInt64(count)
      reading = member
    }
    return result
  }

  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    interest.set(condition, isWanted)
    if condition.contains(.readable) { updateReading() }
    postWritability()
  }

  private func updateReading() {
    for member in members {
      member.chardev.setInterest(.readable, interest.contains(.readable) && member.isPresent)
    }
  }

  /// Watches for room at the members that are behind.
  private func update() {
    for member in members { member.chardev.setInterest(.writable, member.isBehind(buffer)) }
  }

  /// What a member takes and there is no time for has it called again: there is room at its end.
  private func flush(_ member: HubMember) {
    let count = member.flush(buffer, clock: loop?.clock)
    if source != nil { tally.bytesWritten &+= UInt64(count) }
  }

  private func flushAll() {
    for member in members where mayCallClient { flush(member) }
    buffer.discard(before: members.map { $0.firstNeeded(in: buffer) }.min() ?? buffer.end)
    if isHeldBack { watchSlowest() }
  }

  /// Whether there is time to call one more client. One left out is behind, and called for its room.
  private var mayCallClient: Bool { source == nil || loop?.clock.hasTime() ?? true }

  /// No single member's readiness means that all are writable, so the check is posted.
  private func postWritability() {
    if mayWrite { writability.post(on: loop) }
  }

  private var mayWrite: Bool {
    interest.contains(.writable) && isConnected
      && (source == nil ? buffer.count == 0 : buffer.hasRoom)
  }

  private func tellWritable() {
    guard loop != nil, mayWrite else { return }
    delegate?.chardevIsWritable(self)
    postWritability()
  }
}

// MARK: - Members

extension HubChardev: ChardevDelegate {
  package func chardevDidConnect(_ chardev: any Chardev) { settle() }

  package func chardevDidDisconnect(_ chardev: any Chardev) {
    guard let index = index(of: chardev) else { return }
    members[index].forfeit(upTo: buffer.end)
    if source != nil { members.remove(at: index).chardev.stop() }
    settle()
  }

  package func chardevIsReadable(_ chardev: any Chardev) {
    guard let index = index(of: chardev), interest.contains(.readable) else { return }
    next = index
    delegate?.chardevIsReadable(self)
  }

  package func chardevIsWritable(_ chardev: any Chardev) {
    if let index = index(of: chardev) { flush(members[index]) }
    settle()
  }

  package func chardevDidResize(_ chardev: any Chardev) { delegate?.chardevDidResize(self) }

  package func chardevDidReceiveBreak(_ chardev: any Chardev) {
    delegate?.chardevDidReceiveBreak(self)
  }

  private func index(of chardev: any Chardev) -> Int? {
    members.firstIndex { $0.chardev === chardev }
  }

  /// Brings what the front end knows in line with what is the case. Only from the top of a loop's
  /// turn, since it calls the delegate.
  private func settle() {
    guard loop != nil else { return }
    flushAll()
    source?.setAccepts(
      members.count < Self.clientCapacity || presentCount >= Self.clientCapacity)
    if members.isEmpty { buffer.release() }
    let isPopulated = members.contains { $0.isPresent && $0.chardev.isConnected }
    if isPopulated != isConnected {
      isConnected = isPopulated
      if isPopulated {
        delegate?.chardevDidConnect(self)
      } else {
        delegate?.chardevDidDisconnect(self)
      }
    }
    updateReading()
    update()
    postWritability()
  }

  // MARK: Clients

  var address: SocketAddress? { (source as? SocketListener)?.address }

  var isServing: Bool { loop != nil }

  private var presentCount: Int { members.count { $0.client?.hasClientLeft == false } }

  func receive(_ newcomer: SocketPeer) -> Bool {
    for member in members { member.client?.examineClient() }
    guard let loop, let source else { return false }
    guard presentCount < Self.clientCapacity else {
      tally.refusedClients &+= 1
      log.warning("\(title): a client was refused, since \(Self.clientCapacity) are connected")
      return false
    }
    tally.acceptedClients &+= 1
    newcomer.examine()
    if newcomer.isFinished { return true }
    let client = SocketChardev(
      PreconnectedSocket(nil, name: source.name), isPacketed: limits.packet != nil)
    client.delegate = self
    members.append(HubMember(client, position: buffer.end))
    hasHadClient = true
    client.serve(newcomer, on: loop, preface: replay?.bytes() ?? [])
    if !client.isConnected { members.removeAll { $0.chardev === client } }
    settle()
    return client.isConnected
  }

  /// Whether the buffer is all but full while some client has everything.
  private var isHeldBack: Bool {
    source != nil && buffer.count > buffer.capacity / 4 * 3
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
    guard buffer.start - began < UInt64(buffer.capacity / 4) else { return watchSlowest() }
    for member in members where member.isBehind(buffer) && member.position == buffer.start {
      member.closeNow()
      tally.dismissedClients &+= 1
      log.warning("\(title): a client was too slow for the others, and is disconnected")
    }
    settle()
  }
}
