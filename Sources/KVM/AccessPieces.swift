/// A memory-mapped access of any length from 1 to 8, as accesses of 1, 2, 4 and 8 bytes.
///
/// A length that is a power of two stays whole, whatever its alignment. Others, which KVM makes of
/// accesses that cross a page, are cut at natural boundaries.
struct AccessPieces: Sequence, IteratorProtocol {
  /// One access; `offset` is its distance in bytes from the start of the whole.
  struct Piece: Equatable {
    let address: UInt64
    let offset: Int
    let width: Int
  }

  private let address: UInt64
  private let length: Int
  private var offset = 0

  init(address: UInt64, length: Int) {
    self.address = address
    self.length = length
  }

  mutating func next() -> Piece? {
    let remaining = length - offset
    guard remaining > 0 else { return nil }
    let position = address &+ UInt64(offset)
    var width = 1 << (Int.bitWidth - 1 - remaining.leadingZeroBitCount)
    if remaining != width || offset > 0 {
      let alignment = position == 0 ? width : 1 << Swift.min(3, position.trailingZeroBitCount)
      width = Swift.min(width, alignment)
    }
    defer { offset += width }
    return Piece(address: position, offset: offset, width: width)
  }
}
