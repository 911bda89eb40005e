import CKVM
import Glibc
import Host

/// Several chardevs for one front end: output goes to each that is connected, input comes from each.
///
/// It is connected while any of them is. What one of them does not take at once is kept for it, up
/// to `pendingLimit` bytes, and no more output is taken before that is gone: the slowest one sets
/// the pace, files and ring buffers never do, and nobody misses or gets twice a byte while he is
/// connected. A client that leaves forfeits what was kept for it.
package final class HubChardev: Chardev, ChardevSession, ChardevTerminal {
  /// The most bytes of one write, and so the most that is kept for one chardev.
  static let pendingLimit = 64 << 10

  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false

  let sinks: [Member]
  private var wantsWritable = false
  private lazy var readiness = Deferred { [weak self] in self?.tellWritable() }
  private var loop: EventLoop?
  /// Whose turn it is to be read.
  private var next = 0

  package init(_ members: [any Chardev]) {
    sinks = members.map { Member($0) }
    for member in members { member.delegate = self }
  }

  package var filename: String {
    "hub:" + sinks.map { $0.chardev.filename }.joined(separator: "+")
  }

  /// The smallest of the members'; a packet is kept as one, too.
  package var limits: WriteLimits {
    let limits = sinks.map(\.chardev.limits)
    return WriteLimits(
      packet: limits.compactMap(\.packet).min(), call: limits.map(\.call).min() ?? .max)
  }

  package var outputStatus: OutputStatus {
    sinks.reduce(OutputStatus(hasUnsentBytes: isHeldBack)) { sum, sink in
      let status = sink.chardev.outputStatus
      return OutputStatus(
        hasUnsentBytes: sum.hasUnsentBytes || status.hasUnsentBytes,
        unreadByteCount: sum.unreadByteCount &+ sink.pendingByteCount &+ status.unreadByteCount)
    }
  }

  package var session: (any ChardevSession)? { self }
  package var terminal: (any ChardevTerminal)? { self }

  /// Bytes that were kept for clients that have left, or that a chardev could not write.
  package var bytesForfeited: UInt64 { sinks.reduce(0) { $0 &+ $1.bytesForfeited } }

  package func start(on loop: EventLoop) throws(SystemError) {
    self.loop = loop
    for sink in sinks { try sink.chardev.start(on: loop) }
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard isConnected else { return .disconnected }
    for sink in sinks { sink.flush() }
    updateWishes()
    guard !isHeldBack else { return .wouldBlock }
    let part = segments.part(from: 0, limit: Self.pendingLimit)
    let result: TransferResult = part.withUnsafeBufferPointer { part in
      var isTaken = false
      for sink in sinks { isTaken = sink.write(part) || isTaken }
      return isTaken ? .transferred(part.byteCount) : .lost(part.byteCount)
    }
    updateWishes()
    return result
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    for offset in sinks.indices {
      let index = (next + offset) % sinks.count
      if case .transferred(let count) = sinks[index].chardev.read(into: segments) {
        next = (index + 1) % sinks.count
        return .transferred(count)
      }
    }
    return isConnected ? .wouldBlock : .disconnected
  }

  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    if condition.contains(.readable) {
      for sink in sinks { sink.chardev.setInterest(.readable, isWanted) }
    }
    guard condition.contains(.writable) else { return }
    wantsWritable = isWanted
    if isWanted { postWritable() }
  }

  package func stop() {
    loop = nil
    isConnected = false
    for sink in sinks { sink.chardev.stop() }
  }

  // MARK: What some members have

  private var sessions: [any ChardevSession] { sinks.compactMap(\.chardev.session) }
  private var terminals: [any ChardevTerminal] { sinks.compactMap(\.chardev.terminal) }

  package var waitsForFirstClient: Bool { sessions.contains { $0.waitsForFirstClient } }
  package func guestWillOpen() { for session in sessions { session.guestWillOpen() } }
  package func endOutput() { for session in sessions { session.endOutput() } }
  package func disconnectClient() { for session in sessions { session.disconnectClient() } }

  package var windowSize: Terminal.Size? { terminals.lazy.compactMap(\.windowSize).first }
  package func windowSizeMayHaveChanged() {
    for terminal in terminals { terminal.windowSizeMayHaveChanged() }
  }

  // MARK: Pace

  private var isHeldBack: Bool { sinks.contains { $0.hasPending } }

  private func updateWishes() { for sink in sinks { sink.updateWish() } }

  /// Room for all is nobody's event.
  private func postWritable() {
    if isConnected, !isHeldBack { readiness.post(on: loop) }
  }

  private func tellWritable() {
    guard loop != nil, wantsWritable, isConnected, !isHeldBack else { return }
    delegate?.chardevIsWritable(self)
    if wantsWritable { postWritable() }
  }

  private func sink(of chardev: any Chardev) -> Member? { sinks.first { $0.chardev === chardev } }
}

extension HubChardev: ChardevDelegate {
  package func chardevDidConnect(_ chardev: any Chardev) {
    guard !isConnected else { return }
    isConnected = true
    delegate?.chardevDidConnect(self)
    if wantsWritable { postWritable() }
  }

  package func chardevDidDisconnect(_ chardev: any Chardev) {
    sink(of: chardev)?.forfeit()
    if sinks.contains(where: { $0.chardev.isConnected }) {
      if wantsWritable { postWritable() }
    } else {
      isConnected = false
      delegate?.chardevDidDisconnect(self)
    }
  }

  package func chardevIsReadable(_ chardev: any Chardev) {
    guard let index = sinks.firstIndex(where: { $0.chardev === chardev }) else { return }
    next = index
    delegate?.chardevIsReadable(self)
  }

  package func chardevIsWritable(_ chardev: any Chardev) {
    guard let sink = sink(of: chardev) else { return }
    sink.flush()
    sink.updateWish()
    if wantsWritable { postWritable() }
  }

  package func chardevDidResize(_ chardev: any Chardev) { delegate?.chardevDidResize(self) }

  package func chardevDidReceiveBreak(_ chardev: any Chardev) {
    delegate?.chardevDidReceiveBreak(self)
  }
}
