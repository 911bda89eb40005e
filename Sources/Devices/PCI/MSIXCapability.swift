/// The MSI-X entry of the capability list: where table and pending bits are, and the message
/// control register (PCI 3.0, 6.8.2.3).
package enum MSIXCapability {
  /// A place in a function's memory.
  package struct Location: Equatable, Sendable {
    /// Index of the base address register, 0–5.
    package var bar: Int
    /// In its region, a multiple of 8.
    package var offset: UInt32

    /// A place in region `bar`.
    package init(bar: Int, offset: UInt32) {
      self.bar = bar
      self.offset = offset
    }

    fileprivate var bytes: [UInt8] {
      let word = offset & ~7 | UInt32(bar & 7)
      return (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
    }
  }

  /// Of the message control register in the capability.
  package static let controlOffset = 2

  /// The capability, of which the guest can write the enable and function mask bits.
  package static func make(
    vectorCount: Int, table: Location, pendingBits: Location
  ) -> PCICapability {
    let size = UInt16(truncatingIfNeeded: vectorCount - 1) & 0x7ff
    let control = [UInt8(truncatingIfNeeded: size), UInt8(truncatingIfNeeded: size >> 8)]
    return PCICapability(
      id: 0x11, body: control + table.bytes + pendingBits.bytes, writable: [0, 0xc0])
  }
}

extension MSIXTable {
  /// Follows the message control register of the capability at `capability`, and the bus master bit,
  /// since messages are writes to memory: they wait while it is clear. To be called after each write
  /// to configuration space.
  package mutating func update(from configuration: ConfigurationSpace, capability: Int) {
    let register = capability + MSIXCapability.controlOffset
    let control = configuration.read(register: register, width: 2)
    setControl(
      enabled: control & 1 << 15 != 0,
      functionMasked: control & 1 << 14 != 0 || !configuration.isBusMasterEnabled)
  }
}
