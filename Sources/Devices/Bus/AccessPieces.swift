extension UInt64 {
  /// What an access of `width` bytes reads where nothing answers.
  package static func allOnes(width: Int) -> UInt64 {
    width >= 8 ? .max : (1 << (8 * UInt64(Swift.max(width, 0)))) &- 1
  }
}

/// One access cut into naturally aligned pieces of 1, 2, 4 … `widest` bytes, lowest first.
///
/// Takes any offset and any width; a width of zero or less has no pieces.
struct AccessPieces: Sequence, IteratorProtocol {
  struct Piece {
    let offset: UInt64
    let width: Int
    /// Where the piece's bits lie in the value of the whole access.
    let shift: UInt64
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

  /// The whole access's value, from what `body` reads for each piece.
  func read(_ body: (_ offset: UInt64, _ width: Int) -> UInt64) -> UInt64 {
    reduce(0) { $0 | (body($1.offset, $1.width) & .allOnes(width: $1.width)) << $1.shift }
  }

  /// Hands each piece's part of `value` to `body`.
  func write(_ value: UInt64, _ body: (_ offset: UInt64, _ width: Int, _ value: UInt64) -> Void) {
    for piece in self {
      body(piece.offset, piece.width, (value >> piece.shift) & .allOnes(width: piece.width))
    }
  }
}

/// A device whose registers are one byte each. A wider access becomes several single ones, lowest
/// register first, as on the ISA bus.
package protocol ByteRegisterDevice: AddressSpaceDevice {
  /// The register at `offset` in the device's range.
  func readByte(offset: UInt64) -> UInt8
  /// Sets the register at `offset` in the device's range.
  func writeByte(offset: UInt64, value: UInt8)
}

extension ByteRegisterDevice {
  /// Reads each register in turn.
  package func read(offset: UInt64, width: Int) -> UInt64 {
    AccessPieces(offset: offset, width: width, widest: 1)
      .read { offset, _ in UInt64(readByte(offset: offset)) }
  }

  /// Writes each register in turn.
  package func write(offset: UInt64, width: Int, value: UInt64) {
    AccessPieces(offset: offset, width: width, widest: 1)
      .write(value) { writeByte(offset: $0, value: UInt8(truncatingIfNeeded: $2)) }
  }
}
