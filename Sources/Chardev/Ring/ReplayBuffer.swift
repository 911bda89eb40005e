import Glibc

/// The last bytes that a guest has written, for clients that come later.
struct ReplayBuffer: ~Copyable {
  /// What a size may be.
  static let allowedSizes = 1...SocketConfiguration.allowedReplaySizes.upperBound

  private let size: Int
  private var ring: ByteRing

  /// - Parameter size: how many bytes it keeps; nil for 0, which is none.
  init?(size: Int) {
    guard Self.allowedSizes.contains(size) else { return nil }
    self.size = size
    var capacity = 1
    while capacity < size { capacity *= 2 }
    ring = ByteRing(capacity: capacity)
  }

  /// What it keeps, oldest first.
  var contents: [UInt8] {
    ring.bytes(from: ring.end > UInt64(size) ? ring.end - UInt64(size) : 0, limit: size)
  }

  /// Adds the first `count` bytes of the segments.
  mutating func append(_ segments: UnsafeBufferPointer<iovec>, count: Int) {
    segments.forEachPiece(limit: count) { ring.append($0) }
  }
}
