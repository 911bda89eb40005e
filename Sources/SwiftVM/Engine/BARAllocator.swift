/// Places base address registers in a window one after the other, as firmware does before the
/// guest looks.
struct BARAllocator {
  private var next: UInt64
  private let end: UInt64

  init(window: Range<UInt64>) {
    next = window.lowerBound
    end = window.upperBound
  }

  /// An address for a region of `size` bytes, a power of two; nil when the window is full.
  mutating func allocate(size: UInt64) -> UInt64? {
    let address = (next &+ size &- 1) & ~(size &- 1)
    guard address >= next, address <= end, size <= end &- address else { return nil }
    next = address &+ size
    return address
  }
}
