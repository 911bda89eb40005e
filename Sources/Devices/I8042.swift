/// The two ports of an i8042 with nothing attached, there for the one thing Linux still asks of it:
/// the pulse on the processor's reset pin.
///
/// Both ports read 0, "neither buffer full", so that a probe ends soon. Every write but the reset
/// command is dropped.
package final class I8042: Sendable {
  /// The data register, port 0x60.
  package let data: any AddressSpaceDevice
  /// The status and command register, port 0x64.
  package let command: any AddressSpaceDevice

  /// - Parameter onReset: called on the vCPU thread for each reset the guest asks for.
  package init(onReset: @escaping @Sendable () -> Void) {
    data = Register { _ in }
    command = Register { if $0 == pulseResetLine { onReset() } }
  }

  /// Puts both registers at their PC addresses.
  package func attach(to ports: AddressSpace) throws(AddressSpaceConflict) {
    try ports.add(0x60..<0x61, device: data)
    try ports.add(0x64..<0x65, device: command)
  }
}

/// Command 0xfe: pulse output line 0, which is wired to the reset pin.
private let pulseResetLine: UInt8 = 0xfe

private final class Register: ByteRegisterDevice {
  private let onWrite: @Sendable (UInt8) -> Void

  init(onWrite: @escaping @Sendable (UInt8) -> Void) {
    self.onWrite = onWrite
  }

  func readByte(offset: UInt64) -> UInt8 { 0 }
  func writeByte(offset: UInt64, value: UInt8) { onWrite(value) }
}
