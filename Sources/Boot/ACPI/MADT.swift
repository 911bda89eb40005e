/// Multiple APIC description table: CPUs and interrupt controllers (ACPI 6.5, 5.2.12).
enum MADT {
  /// The first APIC id that needs an x2APIC: 255 is the broadcast id of the older one.
  private static let firstX2APIC: UInt32 = 255

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
    let ids = 0..<UInt32(min(max(cpuCount, 1), AddressMap.largestCPUCount))
    for id in ids { appendLocalAPIC(id, to: &table) }
    appendIOAPIC(to: &table)
    appendOverride(irq: 0, gsi: 2, flags: InterruptFlags.conforming, to: &table)
    let sci = AddressMap.systemControlInterrupt
    appendOverride(
      irq: UInt8(sci), gsi: sci, flags: InterruptFlags.levelActiveHigh, to: &table)
    appendNMI(x2APIC: ids.upperBound > firstX2APIC, to: &table)
    return table.finish()
  }

  private static func appendLocalAPIC(_ id: UInt32, to table: inout TableWriter) {
    let enabled: UInt32 = 1
    guard id < firstX2APIC else {
      table.append(UInt8(9))
      table.append(UInt8(16))
      table.append(UInt16(0))
      table.append(id)
      table.append(enabled)
      table.append(id)  // processor's unique id
      return
    }
    table.append(UInt8(0))
    table.append(UInt8(8))
    table.append(UInt8(truncatingIfNeeded: id))  // processor's unique id
    table.append(UInt8(truncatingIfNeeded: id))
    table.append(enabled)
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
  private static func appendNMI(x2APIC: Bool, to table: inout TableWriter) {
    table.append(UInt8(4))
    table.append(UInt8(6))
    table.append(UInt8(0xff))
    table.append(InterruptFlags.conforming)
    table.append(UInt8(1))
    guard x2APIC else { return }
    table.append(UInt8(10))
    table.append(UInt8(12))
    table.append(InterruptFlags.conforming)
    table.append(UInt32.max)
    table.append(UInt8(1))
    table.append(bytes: [0, 0, 0])
  }
}
