import Glibc

/// What a console's backend has not taken yet: a ring of bytes, made when the first of them comes
/// and given back when the last has gone, so that a console that keeps up costs nothing.
struct ConsoleBacklog: ~Copyable {
  /// Bytes kept at most: some hundred lines.
  static let capacity = 64 << 10

  private var storage: UnsafeMutableRawPointer?
  private var start = 0
  /// Bytes waiting.
  private(set) var count = 0

  deinit { storage?.deallocate() }

  /// Takes the bytes of all segments, in order; returns how many bytes, of these or of older ones,
  /// were dropped since they did not fit.
  mutating func append(
    _ segments: UnsafeBufferPointer<iovec>, overflow: PortPolicy.Overflow
  ) -> Int {
    var dropped = 0
    for segment in segments {
      guard let base = segment.iov_base else { continue }
      dropped += append(base, count: segment.iov_len, overflow: overflow)
    }
    return dropped
  }

  /// Offers the bytes in order, up to `limit`, as one or two segments; returns what `body` does.
  func withSegments<Result>(
    limit: Int = .max, _ body: (UnsafeBufferPointer<iovec>) -> Result
  ) -> Result {
    let count = min(count, limit)
    let unwrapped = min(count, Self.capacity - start)
    let segments = (
      iovec(iov_base: storage.map { $0 + start }, iov_len: unwrapped),
      iovec(iov_base: storage, iov_len: count - unwrapped)
    )
    return withUnsafeBytes(of: segments) { body($0.bindMemory(to: iovec.self)) }
  }

  /// Forgets the oldest bytes.
  mutating func removeFirst(_ removed: Int) {
    let removed = min(removed, count)
    start = (start + removed) % Self.capacity
    count -= removed
    if count == 0 { removeAll() }
  }

  /// Forgets everything.
  mutating func removeAll() {
    storage?.deallocate()
    storage = nil
    start = 0
    count = 0
  }

  private mutating func append(
    _ base: UnsafeMutableRawPointer, count added: Int, overflow: PortPolicy.Overflow
  ) -> Int {
    let kept = min(added, overflow == .dropOldest ? Self.capacity : Self.capacity - count)
    let crowdedOut = max(0, count + kept - Self.capacity)
    removeFirst(crowdedOut)
    // The last bytes of what is newest, the first ones of what is oldest.
    copyIn(base + (overflow == .dropOldest ? added - kept : 0), count: kept)
    return added - kept + crowdedOut
  }

  private mutating func copyIn(_ base: UnsafeMutableRawPointer, count added: Int) {
    guard added > 0 else { return }
    let storage = storage ?? .allocate(byteCount: Self.capacity, alignment: 1)
    self.storage = storage
    let end = (start + count) % Self.capacity
    let unwrapped = min(added, Self.capacity - end)
    memcpy(storage + end, base, unwrapped)
    memcpy(storage, base + unwrapped, added - unwrapped)
    count += added
  }
}
