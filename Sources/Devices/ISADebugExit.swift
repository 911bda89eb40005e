/// QEMU's isa-debug-exit: whatever the guest writes ends the machine, with a status made of it.
package final class ISADebugExit: AddressSpaceDevice {
  private let onExit: @Sendable (_ value: UInt32) -> Void

  /// - Parameter onExit: told each value written, on the vCPU thread; it must not block.
  package init(onExit: @escaping @Sendable (_ value: UInt32) -> Void) {
    self.onExit = onExit
  }

  /// Nothing is there to read.
  package func read(offset: UInt64, width: Int) -> UInt64 { 0 }

  /// At any offset, in any width.
  package func write(offset: UInt64, width: Int, value: UInt64) {
    onExit(UInt32(truncatingIfNeeded: value))
  }
}
