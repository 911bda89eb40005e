import CKVM
import Glibc
import Host

/// One member of a hub, and how much of the output it has.
final class HubMember {
  /// What is to happen once the member has what was written so far.
  enum Farewell {
    /// It reads the end of file, and may go on sending.
    case endOutput
    /// It is closed; the front end has let it go already.
    case close
  }

  let chardev: any Chardev
  /// The next byte of the output for it.
  private(set) var position: UInt64
  private(set) var farewell: (Farewell, at: UInt64)?
  private(set) var bytesForfeited: UInt64 = 0

  init(_ chardev: any Chardev, position: UInt64) {
    self.chardev = chardev
    self.position = position
  }

  /// The chardev, if it is one client of a socket.
  var client: SocketChardev? { chardev as? SocketChardev }

  /// Whether the front end still counts it among the members.
  var isPresent: Bool { if case .close = farewell?.0 { false } else { true } }

  /// Whether it does not have all of the output that is for it.
  func isBehind(_ buffer: borrowing HubBuffer) -> Bool { pendingByteCount(in: buffer) > 0 }

  func pendingByteCount(in buffer: borrowing HubBuffer) -> Int {
    let stop = min(buffer.end, farewell?.at ?? .max)
    return position < stop ? Int(stop - position) : 0
  }

  /// The first byte that it still needs; beyond all where it needs none.
  func firstNeeded(in buffer: borrowing HubBuffer) -> UInt64 {
    isBehind(buffer) ? position : .max
  }

  // MARK: Output

  /// Writes new bytes, which begin at `start`; it has all before them.
  ///
  /// - Returns: how many of the bytes it needs no more, and whether it takes any of them.
  func write(
    _ segments: UnsafeBufferPointer<iovec>, at start: UInt64
  ) -> (count: Int, isOutput: Bool) {
    let total = segments.byteCount
    let count: Int
    var isOutput = true
    switch chardev.write(segments) {
    case .transferred(let written): count = written
    case .lost(let lost):
      bytesForfeited &+= UInt64(lost)
      count = lost
      isOutput = lost < total
    case .wouldBlock: count = 0
    case .disconnected:
      if chardev.isConnected { bytesForfeited &+= UInt64(total) }
      count = total
      isOutput = false
    }
    position = start &+ UInt64(count)
    return (count, isOutput)
  }

  /// Writes what it takes now of what waits, for as long as there is time; returns how many bytes.
  func flush(_ buffer: borrowing HubBuffer, clock: EventLoop.TurnClock?) -> Int {
    var written = 0
    while case let pending = pendingByteCount(in: buffer), pending > 0 {
      let result = buffer.withSegments(from: position) { segments in
        segments.withPrefix(byteCount: pending) { chardev.write($0) }
      }
      switch result {
      case .transferred(let count) where count > 0:
        position &+= UInt64(count)
        written += count
      case .lost(let count) where count > 0: forfeit(upTo: position &+ UInt64(count))
      case .disconnected: forfeit(upTo: position &+ UInt64(pending))
      case .transferred, .lost, .wouldBlock: return written
      }
      guard clock?.hasTime() ?? false else { break }
    }
    if !isBehind(buffer) { carryOutFarewell() }
    return written
  }

  /// It does not get what lies before a position.
  func forfeit(upTo end: UInt64) {
    guard position < end else { return }
    bytesForfeited &+= end - position
    position = end
  }

  // MARK: The end

  /// Says goodbye after what has been written until now.
  func dismiss(_ farewell: Farewell, after buffer: borrowing HubBuffer) {
    self.farewell = (farewell, at: self.farewell?.at ?? buffer.end)
  }

  /// Closes it although it has not taken everything, if it was dismissed at this position or before.
  func close(ifDismissedBy end: UInt64) {
    if let farewell, farewell.at <= end { closeNow() }
  }

  /// Closes it, whatever it has not taken.
  func closeNow() {
    farewell = (.close, at: position)
    carryOutFarewell()
  }

  private func carryOutFarewell() {
    switch farewell?.0 {
    case .endOutput: chardev.session?.endOutput()
    case .close: chardev.session?.disconnectClient()
    case nil: break
    }
  }
}

/// Output that not all members of a hub have: bytes, or packets, between the slowest member and the
/// newest byte. Positions count all bytes ever written.
struct HubBuffer: ~Copyable {
  /// Packets kept at most.
  private static let packetCapacity = 4096

  private let isPacketed: Bool
  private var ring: ByteRing
  /// Where the packets end, for packets.
  private var packetEnds: [UInt64] = []

  init(capacity: Int, isPacketed: Bool) {
    self.isPacketed = isPacketed
    ring = ByteRing(capacity: capacity)
  }

  /// Bytes kept at most.
  var capacity: Int { ring.capacity }
  /// The oldest byte that is kept.
  var start: UInt64 { ring.start }
  /// Where the next byte goes.
  var end: UInt64 { ring.end }
  /// Bytes that some member does not have yet.
  var count: Int { ring.count }

  /// Whether something more is taken, for packets of any length.
  var hasRoom: Bool {
    isPacketed
      ? ring.room >= Stream.packetLimit && packetEnds.count < Self.packetCapacity : ring.room > 0
  }

  /// Takes as many of the bytes as there is room for, a packet only whole; returns how many.
  mutating func append(_ segments: UnsafeBufferPointer<iovec>) -> Int {
    let count = segments.byteCount
    guard count > 0 else { return 0 }
    if isPacketed, count > ring.room || packetEnds.count >= Self.packetCapacity { return 0 }
    let taken = min(count, ring.room)
    ring.append(segments, limit: taken)
    if isPacketed { packetEnds.append(end) }
    return taken
  }

  /// Counts bytes that all members have of new ones, no more than there is room for, and takes the
  /// others. Nothing may be kept.
  mutating func append(_ segments: UnsafeBufferPointer<iovec>, skipping count: Int) {
    ring.skip(count)
    guard count < segments.byteCount else { return }
    let rest = segments.part(from: count, limit: .max)
    _ = rest.withUnsafeBufferPointer { append($0) }
  }

  /// Offers what comes at a position, up to the end or the packet's end, as one or two segments.
  func withSegments<R>(from position: UInt64, _ body: (UnsafeBufferPointer<iovec>) -> R) -> R {
    let packet = packetCount(endingBy: position)
    let stop = packet < packetEnds.count ? packetEnds[packet] : end
    return ring.withSegments(from: position, limit: Int(stop - position), body)
  }

  /// Forgets what lies before a position, which every member has.
  mutating func discard(before position: UInt64) {
    ring.discard(before: position)
    packetEnds.removeFirst(packetCount(endingBy: start))
  }

  /// How many of the packets end at a position or before it; found by halving.
  private func packetCount(endingBy position: UInt64) -> Int {
    var passed = 0
    var others = packetEnds.count
    while passed < others {
      let middle = (passed + others) / 2
      if packetEnds[middle] <= position { passed = middle + 1 } else { others = middle }
    }
    return passed
  }

  /// Gives the memory back; no member is there.
  mutating func release() {
    discard(before: end)
    ring.release()
  }
}
