/// Fixed ACPI description table: the fixed-hardware model with a PM1a block and a reset register
/// (ACPI 6.5, 5.2.9).
enum FADT {
  private enum Flag {
    /// WBINVD works.
    static let writeBackInvalidate: UInt32 = 1 << 0
    /// C1 works on every CPU.
    static let haltState: UInt32 = 1 << 2
    /// There is no sleep button in the fixed registers; the power button, bit 4 clear, is there.
    static let noFixedSleepButton: UInt32 = 1 << 5
    /// The real-time clock's alarm has no status there.
    static let noFixedClockWake: UInt32 = 1 << 6
    /// The reset register exists.
    static let resetRegister: UInt32 = 1 << 10
  }

  private enum BootArchitecture {
    static let legacyDevices: UInt16 = 1 << 0
    static let noVGA: UInt16 = 1 << 2
  }

  /// Revision 6, 276 bytes; all fields not named here are zero, which says "absent".
  static func encode(facs: UInt64, dsdt: UInt64) -> [UInt8] {
    var table = TableWriter(signature: "FACP", revision: 6)
    table.append(UInt32(truncatingIfNeeded: facs))
    table.append(UInt32(truncatingIfNeeded: dsdt))
    table.skip(to: 46)
    table.append(UInt16(AddressMap.systemControlInterrupt))
    table.skip(to: 56)
    table.append(UInt32(truncatingIfNeeded: AddressMap.pm1aEvent.lowerBound))
    table.skip(to: 64)
    table.append(UInt32(truncatingIfNeeded: AddressMap.pm1aControl.lowerBound))
    table.skip(to: 80)
    table.append(UInt32(truncatingIfNeeded: AddressMap.gpe0.lowerBound))
    table.skip(to: 88)
    table.append(UInt8(AddressMap.pm1aEvent.count))
    table.append(UInt8(AddressMap.pm1aControl.count))
    table.skip(to: 92)
    table.append(UInt8(AddressMap.gpe0.count))
    table.skip(to: 96)
    // Latencies beyond 100 and 1000 µs say that there is no C2 and no C3.
    table.append(UInt16(0xfff))
    table.append(UInt16(0xfff))
    table.skip(to: 109)
    table.append(BootArchitecture.legacyDevices | BootArchitecture.noVGA)
    table.skip(to: 112)
    table.append(
      Flag.writeBackInvalidate | Flag.haltState | Flag.noFixedSleepButton | Flag.noFixedClockWake
        | Flag.resetRegister)
    table.append(
      port: AddressMap.resetControl..<(AddressMap.resetControl + 1), accessSize: 1)
    table.append(AddressMap.resetValue)
    table.skip(to: 140)
    table.append(dsdt)
    table.append(port: AddressMap.pm1aEvent, accessSize: 2)
    table.skip(to: 172)
    table.append(port: AddressMap.pm1aControl, accessSize: 2)
    table.skip(to: 220)
    table.append(port: AddressMap.gpe0, accessSize: 1)
    table.skip(to: 268)
    table.append(text: TableWriter.Identity.table)  // hypervisor vendor identity
    return table.finish()
  }
}
