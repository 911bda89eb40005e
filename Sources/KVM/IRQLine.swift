/// One input pin of the machine's interrupt controllers, for a device to hold.
///
/// Callable on any thread.
package final class IRQLine: Sendable {
  private let machine: KVMVirtualMachine
  private let gsi: UInt32

  init(machine: KVMVirtualMachine, gsi: UInt32) {
    self.machine = machine
    self.gsi = gsi
  }

  /// Drives the pin: high while asserted. An edge-triggered pin interrupts on each rise.
  package func setLevel(_ asserted: Bool) {
    // Fails only for a pin that does not exist or a machine without controllers: nothing to tell a
    // device, which goes on as if the pin were not connected.
    try? machine.setIRQLine(gsi: gsi, level: asserted)
  }
}
