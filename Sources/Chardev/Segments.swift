import CKVM
import Glibc

/// Scattered memory of one transfer, taken in parts.
extension UnsafeBufferPointer<iovec> {
  /// All bytes of it.
  var byteCount: Int { reduce(0) { $0 &+ $1.iov_len } }

  /// The memory from byte `start` on, up to `limit` bytes; empty segments are left out.
  func part(from start: Int, limit: Int) -> [iovec] {
    var part: [iovec] = []
    var skipped = start
    var left = limit
    for segment in self where left > 0 {
      let skip = Swift.min(skipped, segment.iov_len)
      skipped -= skip
      let count = Swift.min(segment.iov_len - skip, left)
      guard count > 0 else { continue }
      part.append(iovec(iov_base: segment.iov_base + skip, iov_len: count))
      left -= count
    }
    return part
  }

  /// Calls `body` with the segments' first `byteCount` bytes, of as many segments as one call takes.
  func withPrefix<R>(byteCount: Int, _ body: (UnsafeBufferPointer<iovec>) -> R) -> R {
    let used = Swift.min(count, Stream.maximumSegmentCount)
    return withUnsafeTemporaryAllocation(of: iovec.self, capacity: used) { vector in
      var left = byteCount
      var kept = 0
      while kept < used, left > 0 {
        vector[kept] = self[kept]
        vector[kept].iov_len = Swift.min(self[kept].iov_len, left)
        left -= vector[kept].iov_len
        kept += 1
      }
      return body(UnsafeBufferPointer(rebasing: UnsafeBufferPointer(vector)[..<kept]))
    }
  }

  /// Calls `body` with each piece of the first `limit` bytes, in order.
  func forEachPiece(limit: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
    var left = limit
    for segment in self where left > 0 {
      let count = Swift.min(segment.iov_len, left)
      guard count > 0 else { continue }
      body(UnsafeRawBufferPointer(start: segment.iov_base, count: count))
      left -= count
    }
  }

  /// Fills the memory from its beginning; returns how many bytes fitted.
  func fill(from source: UnsafeRawBufferPointer) -> Int {
    var done = 0
    for segment in self where done < source.count {
      let count = Swift.min(segment.iov_len, source.count - done)
      guard count > 0, let start = source.baseAddress else { continue }
      segment.iov_base.copyMemory(from: start + done, byteCount: count)
      done += count
    }
    return done
  }
}

extension UnsafeRawBufferPointer {
  /// Calls `body` with this memory as the only segment of a transfer.
  func asSegment<R>(_ body: (UnsafeBufferPointer<iovec>) -> R) -> R {
    let segment = iovec(iov_base: UnsafeMutableRawPointer(mutating: baseAddress), iov_len: count)
    return withUnsafePointer(to: segment) { body(UnsafeBufferPointer(start: $0, count: 1)) }
  }
}
