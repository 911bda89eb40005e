import Glibc

/// A queue of bytes in memory that does not grow. Each byte has a position, counted from the first one
/// ever put in, so that several readers may each stand at a place of their own.
struct ByteRing: ~Copyable {
  /// The most bytes it keeps.
  let capacity: Int
  /// Allocated with the first byte.
  private var storage: UnsafeMutableRawPointer?
  /// The position of the oldest byte.
  private(set) var start: UInt64 = 0
  /// The position behind the newest byte.
  private(set) var end: UInt64 = 0

  /// - Parameter capacity: at least 1.
  init(capacity: Int) { self.capacity = capacity }

  deinit { storage?.deallocate() }

  /// Bytes that are kept.
  var count: Int { Int(end - start) }

  /// Bytes that can be added without pushing out others.
  var room: Int { capacity - count }

  /// Adds bytes, of which those that do not fit push out the oldest.
  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    let kept = bytes.suffix(capacity)
    end &+= UInt64(bytes.count - kept.count)
    if !kept.isEmpty, let source = UnsafeRawBufferPointer(rebasing: kept).baseAddress {
      let storage = storage ?? .allocate(byteCount: capacity, alignment: 16)
      self.storage = storage
      let (offset, first) = place(of: end, kept.count)
      memcpy(storage + offset, source, first)
      memcpy(storage, source + first, kept.count - first)
    }
    end &+= UInt64(kept.count)
    start = max(start, end - min(end, UInt64(capacity)))
  }

  /// Adds the first `limit` bytes of the segments.
  mutating func append(_ segments: UnsafeBufferPointer<iovec>, limit: Int = .max) {
    segments.forEachPiece(limit: limit) { append($0) }
  }

  /// Counts bytes that are not kept, where none are kept.
  mutating func skip(_ count: Int) {
    end &+= UInt64(count)
    start = end
  }

  /// Offers the bytes from a position on, or from the oldest one if that is later, up to `limit`: as
  /// two segments, of which any may be empty.
  func withSegments<R>(
    from position: UInt64, limit: Int = .max, _ body: (UnsafeBufferPointer<iovec>) -> R
  ) -> R {
    let from = min(max(position, start), end)
    let count = min(Int(end - from), max(0, limit))
    let (offset, first) = place(of: from, count)
    let segments = (
      iovec(iov_base: storage.map { $0 + offset }, iov_len: first),
      iovec(iov_base: storage, iov_len: count - first)
    )
    return withUnsafeBytes(of: segments) { body($0.bindMemory(to: iovec.self)) }
  }

  /// The same bytes, copied.
  func bytes(from position: UInt64 = 0, limit: Int = .max) -> [UInt8] {
    withSegments(from: position, limit: limit) { segments in
      var bytes: [UInt8] = []
      bytes.reserveCapacity(segments.byteCount)
      segments.forEachPiece(limit: .max) { bytes += $0 }
      return bytes
    }
  }

  /// Forgets what lies before a position.
  mutating func discard(before position: UInt64) { start = max(start, min(position, end)) }

  /// Forgets everything, and gives the memory back.
  mutating func release() {
    start = end
    storage?.deallocate()
    storage = nil
  }

  /// Where a position lies in the memory, and how many of `count` bytes come before its end.
  private func place(of position: UInt64, _ count: Int) -> (offset: Int, first: Int) {
    let offset = Int(position % UInt64(capacity))
    return (offset, min(count, capacity - offset))
  }
}
