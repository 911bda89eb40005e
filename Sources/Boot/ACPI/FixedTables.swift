/// The ACPI tables without code of their own (ACPI 6.5, 5.2).
enum FixedTables {
  /// Root system description pointer, revision 2.
  static func rsdp(xsdt: UInt64) -> [UInt8] {
    var bytes = Array("RSD PTR ".utf8) + [0] + Array(TableWriter.oem.utf8) + [2]
    bytes += [UInt8](little: UInt32(0), UInt32(36), xsdt)  // no RSDT
    bytes.pad(to: 36)
    bytes[8] = bytes[..<20].checksum
    bytes[32] = bytes.checksum
    return bytes
  }

  /// Extended system description table: the addresses of the others.
  static func xsdt(_ tables: [UInt64]) -> [UInt8] {
    var table = TableWriter("XSDT", revision: 1)
    for address in tables { table.append(address) }
    return table.finish()
  }

  /// Firmware control structure, version 2; it has no checksum.
  static func facs() -> [UInt8] {
    var bytes = Array("FACS".utf8) + [64, 0, 0, 0]
    bytes.pad(to: 32)
    bytes.append(2)
    bytes.pad(to: 64)
    return bytes
  }

  /// Memory-mapped PCI configuration space (PCI Firmware 3.3, 4.1.2).
  static func mcfg() -> [UInt8] {
    var table = TableWriter("MCFG", revision: 1)
    table.append(UInt64(0), AddressMap.ecam.lowerBound)
    table.append(UInt16(0), UInt8(0), UInt8(0), UInt32(0))  // segment group, first and last bus
    return table.finish()
  }

  // MARK: FADT

  /// Fixed ACPI description table, revision 6: the fixed-hardware model with a PM1a block and a reset
  /// register (ACPI 6.5, 5.2.9). Fields not named here are zero, which says "absent".
  static func fadt(facs: UInt64, dsdt: UInt64) -> [UInt8] {
    func low(_ value: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: value) }
    var table = TableWriter("FACP", revision: 6)
    table.append(low(facs), low(dsdt))
    table.append(at: 46, UInt16(AddressMap.systemControlInterrupt))
    table.append(at: 56, low(AddressMap.pm1aEvent.lowerBound))
    table.append(at: 64, low(AddressMap.pm1aControl.lowerBound))
    table.append(at: 80, low(AddressMap.gpe0.lowerBound))
    table.append(at: 88, UInt8(AddressMap.pm1aEvent.count), UInt8(AddressMap.pm1aControl.count))
    table.append(at: 92, UInt8(AddressMap.gpe0.count))
    // Latencies beyond 100 and 1000 µs say that there is no C2 and no C3.
    table.append(at: 96, UInt16(0xfff), UInt16(0xfff))
    table.append(at: 109, UInt16(1 << 0 | 1 << 2))  // legacy devices; no VGA
    // WBINVD; C1 on every CPU; a power button, but no sleep button and no clock alarm in the registers;
    // the reset register.
    table.append(at: 112, UInt32(1 << 0 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 10))
    table.append(port: AddressMap.resetControl..<(AddressMap.resetControl + 1), accessSize: 1)
    table.append(AddressMap.resetValue)
    table.append(at: 140, dsdt)
    table.append(port: AddressMap.pm1aEvent, accessSize: 2)
    table.append(at: 172, port: AddressMap.pm1aControl, accessSize: 2)
    table.append(at: 220, port: AddressMap.gpe0, accessSize: 1)
    table.append(at: 268)
    table.append(bytes: TableWriter.tableID.utf8)  // hypervisor vendor identity
    return table.finish()
  }

  // MARK: MADT

  /// Multiple APIC description table: CPUs and interrupt controllers (ACPI 6.5, 5.2.12).
  ///
  /// - Parameter cpuCount: CPUs with APIC ids from 0, at most `AddressMap.largestCPUCount`.
  static func madt(cpuCount: Int) -> [UInt8] {
    let conforming: UInt16 = 0  // as the bus has it: edge, active high on ISA
    let levelActiveHigh: UInt16 = 0b1101
    var table = TableWriter("APIC", revision: 5)
    // PCAT_COMPAT: there are 8259s, to be masked.
    table.append(UInt32(truncatingIfNeeded: AddressMap.localAPIC), UInt32(1))
    // A local APIC: processor's unique id, its APIC id, enabled.
    let count = UInt8(clamping: min(max(cpuCount, 1), AddressMap.largestCPUCount))
    for id in 0..<count { table.append(UInt8(0), UInt8(8), id, id, UInt32(1)) }
    // The I/O APIC: id, address, first interrupt.
    table.append(UInt8(1), UInt8(12), UInt16(0))
    table.append(UInt32(truncatingIfNeeded: AddressMap.ioAPIC), UInt32(0))
    // Overrides of ISA interrupts: bus, IRQ, GSI, flags.
    let sci = AddressMap.systemControlInterrupt
    table.append(UInt8(2), UInt8(10), UInt8(0), UInt8(0), UInt32(2), conforming)
    table.append(UInt8(2), UInt8(10), UInt8(0), UInt8(sci), sci, levelActiveHigh)
    // LINT1 is the non-maskable interrupt on all CPUs, named by all ones.
    table.append(UInt8(4), UInt8(6), UInt8(0xff), conforming, UInt8(1))
    return table.finish()
  }
}
