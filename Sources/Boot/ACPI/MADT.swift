/// Multiple APIC description table: CPUs and interrupt controllers (ACPI 6.5, 5.2.12).
enum MADT {
  private enum InterruptFlags {
    /// As the bus has it: edge, active high on ISA.
    static let conforming: UInt16 = 0
    static let levelActiveHigh: UInt16 = 0b1101
  }

  /// - Parameter cpuCount: CPUs with APIC ids from 0, at most `AddressMap.largestCPUCount`.
  static func encode(cpuCount: Int) -> [UInt8] {
    var table = TableWriter(signature: "APIC", revision: 5)
    table.append(UInt32(truncatingIfNeeded: AddressMap.localAPIC))
    table.append(UInt32(1))  // PCAT_COMPAT: there are 8259s, to be masked
    let count = UInt8(clamping: min(max(cpuCount, 1), AddressMap.largestCPUCount))
    for id in 0..<count { appendLocalAPIC(id, to: &table) }
    appendIOAPIC(to: &table)
    appendOverride(irq: 0, gsi: 2, flags: InterruptFlags.conforming, to: &table)
    let sci = AddressMap.systemControlInterrupt
    appendOverride(
      irq: UInt8(sci), gsi: sci, flags: InterruptFlags.levelActiveHigh, to: &table)
    appendNMI(to: &table)
    return table.finish()
  }

  private static func appendLocalAPIC(_ id: UInt8, to table: inout TableWriter) {
    table.append(UInt8(0))
    table.append(UInt8(8))
    table.append(id)  // processor's unique id
    table.append(id)
    table.append(UInt32(1))  // enabled
  }

  private static func appendIOAPIC(to table: inout TableWriter) {
    table.append(UInt8(1))
    table.append(UInt8(12))
    table.append(UInt8(0))  // id
    table.append(UInt8(0))
    table.append(UInt32(truncatingIfNeeded: AddressMap.ioAPIC))
    table.append(UInt32(0))  // its first interrupt
  }

  private static func appendOverride(
    irq: UInt8, gsi: UInt32, flags: UInt16, to table: inout TableWriter
  ) {
    table.append(UInt8(2))
    table.append(UInt8(10))
    table.append(UInt8(0))  // ISA
    table.append(irq)
    table.append(gsi)
    table.append(flags)
  }

  /// LINT1 is the non-maskable interrupt on all CPUs, named by all ones.
  private static func appendNMI(to table: inout TableWriter) {
    table.append(UInt8(4))
    table.append(UInt8(6))
    table.append(UInt8(0xff))
    table.append(InterruptFlags.conforming)
    table.append(UInt8(1))
  }
}
