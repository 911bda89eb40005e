/// Port 0x80, where firmware shows its progress and Linux writes to pass a microsecond.
package final class DebugPort: ByteRegisterDevice {
  /// The length of its range of ports.
  package static let size: UInt64 = 1

  private let onCode: (@Sendable (UInt8) -> Void)?

  /// - Parameter onCode: told each byte written, on the vCPU thread; it must not block.
  package init(onCode: (@Sendable (UInt8) -> Void)? = nil) {
    self.onCode = onCode
  }

  /// Nothing can be read here.
  package func readByte(offset: UInt64) -> UInt8 { 0xff }

  /// Swallows the byte.
  package func writeByte(offset: UInt64, value: UInt8) { onCode?(value) }
}
