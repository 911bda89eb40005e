/// One function on the PCI bus: its configuration space.
///
/// Called on vCPU threads, several at once; an implementation has its own lock.
package protocol PCIFunction: AnyObject, Sendable {
  /// Reads `width` (1, 2 or 4) bytes at `register` (0–4095), naturally aligned.
  func readConfiguration(register: Int, width: Int) -> UInt32
  /// Writes `width` (1, 2 or 4) bytes at `register` (0–4095), naturally aligned.
  func writeConfiguration(register: Int, width: Int, value: UInt32)
  /// What its header says now.
  var header: PCIFunctionState { get }
}
