extension UInt64 {
  /// What an access of `width` bytes reads where nothing answers.
  package static func allOnes(width: Int) -> UInt64 {
    width >= 8 ? .max : (1 << (8 * UInt64(Swift.max(width, 0)))) &- 1
  }
}

/// One access taken apart into naturally aligned pieces of 1, 2, 4 … `widest` bytes, lowest first.
///
/// Takes any offset and any width; a width of zero or less has no pieces.
struct AccessPieces: Sequence, IteratorProtocol {
  struct Piece: Equatable {
    let offset: UInt64
    let width: Int
    /// Where the piece's bits lie in the value of the whole access.
    let shift: UInt64

    /// The piece's own bits of the whole access's value.
    func part(of value: UInt64) -> UInt64 {
      (value >> shift) & .allOnes(width: width)
    }

    /// The piece's value at its place in the whole access's value.
    func placed(_ value: UInt64) -> UInt64 {
      (value & .allOnes(width: width)) << shift
    }
  }

  private var offset: UInt64
  private var remaining: Int
  private var shift: UInt64 = 0
  private let widest: Int

  init(offset: UInt64, width: Int, widest: Int) {
    self.offset = offset
    self.remaining = width
    self.widest = widest
  }

  mutating func next() -> Piece? {
    guard remaining > 0 else { return nil }
    var width = widest
    while width > remaining || offset & UInt64(width - 1) != 0 { width >>= 1 }
    let piece = Piece(offset: offset, width: width, shift: shift)
    offset &+= UInt64(width)
    shift &+= 8 * UInt64(width)
    remaining -= width
    return piece
  }
}
