extension UInt64 {
  /// What an access of `width` bytes reads where nothing answers.
  package static func allOnes(width: Int) -> UInt64 {
    width >= 8 ? .max : (1 << (8 * UInt64(Swift.max(width, 0)))) &- 1
  }
}

/// One access cut into naturally aligned pieces of 1, 2, 4 … `widest` bytes, lowest first.
///
/// Takes any offset and any width; a width of zero or less has no pieces.
struct AccessPieces {
  let offset: UInt64
  let width: Int
  let widest: Int

  /// Calls `body` for each piece; `shift` is where its bits lie in the value of the whole access.
  private func forEach(_ body: (_ offset: UInt64, _ width: Int, _ shift: UInt64) -> Void) {
    var done = 0
    while done < width {
      let start = offset &+ UInt64(done)
      var size = widest
      while size > width - done || start & UInt64(size - 1) != 0 { size >>= 1 }
      body(start, size, 8 &* UInt64(done))
      done += size
    }
  }

  /// The whole access's value, from what `body` reads for each piece.
  func read(_ body: (_ offset: UInt64, _ width: Int) -> UInt64) -> UInt64 {
    var value: UInt64 = 0
    forEach { value |= (body($0, $1) & .allOnes(width: $1)) << $2 }
    return value
  }

  /// Hands each piece's part of `value` to `body`.
  func write(_ value: UInt64, _ body: (_ offset: UInt64, _ width: Int, _ value: UInt64) -> Void) {
    forEach { body($0, $1, (value >> $2) & .allOnes(width: $1)) }
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
