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
  private var storage: UnsafeMutableRawPointer?
  /// Where the packets end, for packets.
  private var packetEnds: [UInt64] = []
  /// The oldest byte that is kept.
  private(set) var start: UInt64 = 0
  /// Where the next byte goes.
  private(set) var end: UInt64 = 0

  init(isPacketed: Bool) { self.isPacketed = isPacketed }

  deinit { storage?.deallocate() }

  /// Bytes that some client does not have yet.
  var count: Int { Int(end - start) }

  /// Whether something more is taken, for packets of any length.
  var hasRoom: Bool {
    isPacketed
      ? room >= PacketReader.packetLimit && packetEnds.count < Self.packetCapacity : room > 0
  }

  private var room: Int { Self.capacity - count }

  /// Takes as many of the bytes as there is room for, a packet only whole; returns how many.
  mutating func append(_ segments: UnsafeBufferPointer<iovec>) -> Int {
    let count = segments.byteCount
    guard count > 0 else { return 0 }
    if isPacketed, count > room || packetEnds.count >= Self.packetCapacity { return 0 }
    var left = min(count, room)
    let taken = left
    for segment in segments where left > 0 {
      guard let base = segment.iov_base else { continue }
      let part = min(segment.iov_len, left)
      copyIn(base, count: part)
      left -= part
    }
    if isPacketed { packetEnds.append(end) }
    return taken
  }

  /// Offers what comes at a position, up to the end or the packet's end, as one or two segments.
  func withSegments<R>(from position: UInt64, _ body: (UnsafeBufferPointer<iovec>) -> R) -> R {
    let packet = packetCount(endingBy: position)
    let stop = packet < packetEnds.count ? packetEnds[packet] : end
    let count = Int(stop - position)
    let offset = Int(position % UInt64(Self.capacity))
    let unwrapped = min(count, Self.capacity - offset)
    let segments = (
      iovec(iov_base: storage.map { $0 + offset }, iov_len: unwrapped),
      iovec(iov_base: storage, iov_len: count - unwrapped)
    )
    return withUnsafeBytes(of: segments) { body($0.bindMemory(to: iovec.self)) }
  }

  /// Forgets what lies before a position, which every client has.
  mutating func discard(before position: UInt64) {
    start = max(start, min(position, end))
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
    storage?.deallocate()
    storage = nil
  }

  private mutating func copyIn(_ base: UnsafeMutableRawPointer, count: Int) {
    let storage = storage ?? .allocate(byteCount: Self.capacity, alignment: 16)
    self.storage = storage
    let offset = Int(end % UInt64(Self.capacity))
    let unwrapped = min(count, Self.capacity - offset)
    memcpy(storage + offset, base, unwrapped)
    memcpy(storage, base + unwrapped, count - unwrapped)
    end += UInt64(count)
  }
}
