import Glibc

/// The last output of a guest, for clients of which each has taken another part of it: a ring of
/// bytes, or of packets, between the slowest client and the newest byte. Positions count all bytes
/// ever put in.
struct BroadcastBuffer: ~Copyable {
  /// Bytes kept at most.
  static let capacity = 256 << 10
  /// Packets kept at most.
  private static let packetCapacity = 4096

  private let isPacketed: Bool
  private var ring = ByteRing(capacity: capacity)
  /// Where the packets end, for packets.
  private var packetEnds: [UInt64] = []

  init(isPacketed: Bool) { self.isPacketed = isPacketed }

  /// The oldest byte that is kept.
  var start: UInt64 { ring.start }
  /// Where the next byte goes.
  var end: UInt64 { ring.end }
  /// Bytes that some client does not have yet.
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

  /// Offers what comes at a position, up to the end or the packet's end, as one or two segments.
  func withSegments<R>(from position: UInt64, _ body: (UnsafeBufferPointer<iovec>) -> R) -> R {
    let packet = packetCount(endingBy: position)
    let stop = packet < packetEnds.count ? packetEnds[packet] : end
    return ring.withSegments(from: position, limit: Int(stop - position), body)
  }

  /// Forgets what lies before a position, which every client has.
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

  /// Gives the memory back; nobody is there.
  mutating func release() {
    discard(before: end)
    ring.release()
  }
}
