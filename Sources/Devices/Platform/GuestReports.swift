// The devices by which a guest resets the machine, reports a panic, or ends the machine with a status.

/// The two ports of an i8042 without keyboard and mouse. Linux uses one command of it: the pulse on
/// the processor's reset pin.
///
/// Both ports read 0, "neither buffer full", so that a probe ends soon. Other writes are dropped.
package final class I8042: Sendable {
  private let data = Register { _ in }
  private let command: Register

  /// - Parameter onReset: called on the vCPU thread for each reset the guest asks for.
  package init(onReset: @escaping @Sendable () -> Void) {
    // Command 0xfe: pulse output line 0, which is wired to the reset pin.
    command = Register { if $0 == 0xfe { onReset() } }
  }

  /// Puts the data register at port 0x60, and the status and command register at 0x64.
  package func attach(to ports: AddressSpace) throws(AddressSpaceConflict) {
    try ports.add(0x60..<0x61, device: data)
    try ports.add(0x64..<0x65, device: command)
  }

  private final class Register: ByteRegisterDevice {
    private let onWrite: @Sendable (UInt8) -> Void

    init(onWrite: @escaping @Sendable (UInt8) -> Void) {
      self.onWrite = onWrite
    }

    func readByte(offset: UInt64) -> UInt8 { 0 }
    func writeByte(offset: UInt64, value: UInt8) { onWrite(value) }
  }
}

/// QEMU's pvpanic device: one register by which a guest's kernel reports that it has panicked
/// (QEMU's docs/specs/pvpanic).
package final class PVPanic: ByteRegisterDevice {
  /// What a guest reports; the values are the register's bits.
  package enum Event: UInt8, Equatable, Sendable {
    /// The kernel has panicked, and decides itself what comes next.
    case panicked = 1
    /// The kernel has panicked, and its crash kernel takes over.
    case crashKernelLoaded = 2
  }

  /// The length of its range of ports.
  package static let size: UInt64 = 1

  private let onEvent: @Sendable (Event) -> Void

  /// - Parameter onEvent: called with each event, on the vCPU thread; it must not block.
  package init(onEvent: @escaping @Sendable (Event) -> Void) {
    self.onEvent = onEvent
  }

  /// The events that the device knows.
  package func readByte(offset: UInt64) -> UInt8 {
    Event.panicked.rawValue | Event.crashKernelLoaded.rawValue
  }

  /// Reports an event; unknown ones are dropped. Of both at once a panic counts, as in QEMU.
  package func writeByte(offset: UInt64, value: UInt8) {
    for event in [Event.panicked, .crashKernelLoaded] where value & event.rawValue != 0 {
      return onEvent(event)
    }
  }
}

/// QEMU's isa-debug-exit: whatever the guest writes ends the machine, with a status made of it.
package final class ISADebugExit: AddressSpaceDevice {
  private let onExit: @Sendable (_ value: UInt32) -> Void

  /// - Parameter onExit: called with each value written, on the vCPU thread; it must not block.
  package init(onExit: @escaping @Sendable (_ value: UInt32) -> Void) {
    self.onExit = onExit
  }

  /// Always 0.
  package func read(offset: UInt64, width: Int) -> UInt64 { 0 }

  /// Reports the value, at any offset and in any width.
  package func write(offset: UInt64, width: Int, value: UInt64) {
    onExit(UInt32(truncatingIfNeeded: value))
  }
}
