/// A place in a packed ring: the slot, and the wrap counter, which tells one lap from the next
/// (virtio 1.2, 2.8.1).
struct PackedPosition: Equatable {
  private(set) var slot: Int
  private(set) var wrapCounter: Bool

  /// The ring's beginning, in the first lap.
  static let start = PackedPosition(encoded: 0x8000)

  /// As event suppression structures have it: the slot, and the wrap counter in bit 15 (2.8.14).
  init(encoded: UInt16) {
    slot = Int(encoded & 0x7fff)
    wrapCounter = encoded & 0x8000 != 0
  }

  var encoded: UInt16 {
    UInt16(truncatingIfNeeded: slot) | (wrapCounter ? 0x8000 : 0)
  }

  /// Moves on by `count` slots, at most `size`.
  mutating func advance(by count: Int, ringSize size: Int) {
    slot += count
    guard slot >= size else { return }
    slot -= size
    wrapCounter.toggle()
  }

  /// Whether `other` is one of the last `count` slots before this place.
  func hasPassed(_ other: PackedPosition, within count: Int, ringSize size: Int) -> Bool {
    let slot = other.wrapCounter == wrapCounter ? other.slot : other.slot - size
    return slot < self.slot && slot >= self.slot - count
  }
}
