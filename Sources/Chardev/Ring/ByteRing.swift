/// The last bytes of a stream, as many as fit; each has a position, counted from the first byte
/// there ever was.
struct ByteRing: ~Copyable {
  private let storage: UnsafeMutableRawBufferPointer
  /// The position behind the newest byte.
  private(set) var end: UInt64 = 0

  /// - Parameter capacity: a power of two. The memory is taken as it is filled.
  init(capacity: Int) {
    storage = .allocate(byteCount: capacity, alignment: 1)
  }

  deinit {
    storage.deallocate()
  }

  /// The position of the oldest byte.
  var start: UInt64 {
    let capacity = UInt64(storage.count)
    return end > capacity ? end - capacity : 0
  }

  /// Adds bytes, of which those that do not fit push out the oldest.
  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    let kept = UnsafeRawBufferPointer(rebasing: bytes.suffix(storage.count))
    end &+= UInt64(bytes.count - kept.count)
    let offset = self.offset(of: end)
    let first = min(kept.count, storage.count - offset)
    UnsafeMutableRawBufferPointer(rebasing: storage[offset...]).copyMemory(
      from: UnsafeRawBufferPointer(rebasing: kept[..<first]))
    storage.copyMemory(from: UnsafeRawBufferPointer(rebasing: kept[first...]))
    end &+= UInt64(kept.count)
  }

  /// The bytes from a position on, or from the oldest one if that is later, up to `limit`.
  func bytes(from position: UInt64, limit: Int) -> [UInt8] {
    let from = min(max(position, start), end)
    let count = min(Int(end - from), max(0, limit))
    let offset = self.offset(of: from)
    let first = min(count, storage.count - offset)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    bytes += storage[offset..<(offset + first)]
    bytes += storage[..<(count - first)]
    return bytes
  }

  private func offset(of position: UInt64) -> Int {
    Int(position & UInt64(storage.count - 1))
  }
}
