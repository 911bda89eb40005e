/// A device whose registers are one byte each. A wider access is so many single ones, lowest
/// register first, as the ISA bus does it.
package protocol ByteRegisterDevice: AddressSpaceDevice {
  /// The register at `offset` in the device's range.
  func readByte(offset: UInt64) -> UInt8
  /// Sets the register at `offset` in the device's range.
  func writeByte(offset: UInt64, value: UInt8)
}

extension ByteRegisterDevice {
  /// Reads each register in turn.
  package func read(offset: UInt64, width: Int) -> UInt64 {
    AccessPieces(offset: offset, width: width, widest: 1).reduce(0) { value, piece in
      value | piece.placed(UInt64(readByte(offset: piece.offset)))
    }
  }

  /// Writes each register in turn.
  package func write(offset: UInt64, width: Int, value: UInt64) {
    for piece in AccessPieces(offset: offset, width: width, widest: 1) {
      writeByte(offset: piece.offset, value: UInt8(truncatingIfNeeded: piece.part(of: value)))
    }
  }
}
