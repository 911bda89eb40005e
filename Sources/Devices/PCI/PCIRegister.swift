/// Offsets of the configuration header's registers, type 0 (PCI 3.0, 6.1).
package enum PCIRegister {
  /// Vendor identification.
  package static let vendor = 0x00
  /// Device identification.
  package static let device = 0x02
  /// Command.
  package static let command = 0x04
  /// Status.
  package static let status = 0x06
  /// Revision, followed by the class code's three bytes.
  package static let revision = 0x08
  /// Cache line size, followed by the latency timer.
  package static let cacheLineSize = 0x0c
  /// The first of six base address registers.
  package static let baseAddress = 0x10
  /// Subsystem vendor identification.
  package static let subsystemVendor = 0x2c
  /// Subsystem identification.
  package static let subsystem = 0x2e
  /// Offset of the first capability.
  package static let capabilitiesPointer = 0x34
  /// Interrupt line: a note from the firmware to the guest, and among the guest's own software.
  package static let interruptLine = 0x3c
  /// Interrupt pin.
  package static let interruptPin = 0x3d
}
