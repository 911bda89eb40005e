/// What a PC's BIOS leaves below 1 MiB for kernels that do not use ACPI.
enum LegacyFirmware {
  /// Code for `AddressMap.biosEntry`, 16-bit: resets the machine, as a BIOS does when it is entered there.
  /// Linux jumps to it with `reboot=bios`, and with `reboot=efi` on a machine without EFI.
  static let biosEntry = [UInt8](
    little: UInt8(0xba), UInt16(AddressMap.resetControl),  // mov $resetControl, %dx
    UInt8(0xb0), AddressMap.resetValue,  // mov $resetValue, %al
    UInt8(0xee),  // out %al, %dx
    UInt8(0xf4), UInt16(0xfdeb))  // hlt, again and again

  /// The MP table for `AddressMap.mpTable`: processors, buses, the I/O APIC and the wiring of
  /// interrupts (MultiProcessor Specification 1.4, 4).
  ///
  /// - Parameter cpuCount: CPUs with APIC ids from 0, at most `AddressMap.largestCPUCount`.
  static func mpTable(cpuCount: Int) -> [UInt8] {
    let entries = processors(min(max(cpuCount, 1), AddressMap.largestCPUCount)) + wiring
    let header = 44
    var table = Array("PCMP".utf8)
    table.append(little: UInt16(truncatingIfNeeded: header + entries.joined().count))
    table += [revision, 0] + Array((TableWriter.tableID + "SWIFTVM     ").utf8)
    table.pad(to: 34)  // no table of the manufacturer's
    table.append(little: UInt16(truncatingIfNeeded: entries.count))
    table.append(little: UInt32(truncatingIfNeeded: AddressMap.localAPIC))
    table.pad(to: header)
    table += entries.joined()
    table[7] = table.checksum

    var pointer = Array("_MP_".utf8)
    pointer.append(little: UInt32(truncatingIfNeeded: AddressMap.mpTable.lowerBound + 16))
    pointer += [1, revision]  // 16 bytes long
    pointer.pad(to: 16)  // a table follows; interrupts first go through LINT0: virtual wire mode
    pointer[10] = pointer.checksum
    return pointer + table
  }

  private static let revision: UInt8 = 4

  private enum Bus {
    /// The number is that of the PCI bus.
    static let pci: UInt8 = 0
    static let isa: UInt8 = 1
  }

  private enum InterruptType {
    static let vectored: UInt8 = 0
    static let nonMaskable: UInt8 = 1
    static let external: UInt8 = 3
  }

  private static func processors(_ count: Int) -> [[UInt8]] {
    (0..<count).map { id in
      let isBoot: UInt8 = id == 0 ? 2 : 0
      // Family 6, with an FPU and an APIC.
      return [0, UInt8(truncatingIfNeeded: id), 0x14, 1 | isBoot]
        + [UInt8](little: UInt32(0x600), UInt32(0x201), UInt64(0))
    }
  }

  private static let wiring: [[UInt8]] = {
    var entries = [
      [1, Bus.pci] + Array("PCI   ".utf8), [1, Bus.isa] + Array("ISA   ".utf8),
    ]
    entries.append(
      [2, 0, 0x11, 1] + [UInt8](little: UInt32(truncatingIfNeeded: AddressMap.ioAPIC)))
    for irq in UInt32(0)..<16 where irq != 2 && !AddressMap.pciInterrupts.contains(irq) {
      // As in the ACPI tables: the timer is at pin 2, ACPI's interrupt is level-triggered.
      let flags: UInt8 = irq == AddressMap.systemControlInterrupt ? 0b1101 : 0
      entries.append(interrupt(Bus.isa, UInt8(irq), flags: flags, pin: irq == 0 ? 2 : irq))
    }
    for (device, pin, input) in AddressMap.pciWiring {
      entries.append(interrupt(Bus.pci, UInt8(device << 2 | pin), flags: 0, pin: input))
    }
    // The 8259s at LINT0 of the first CPU, the non-maskable interrupt at LINT1 of all.
    entries.append([4, InterruptType.external, 0, 0, Bus.isa, 0, 0, 0])
    entries.append([4, InterruptType.nonMaskable, 0, 0, Bus.isa, 0, 0xff, 1])
    return entries
  }()

  private static func interrupt(
    _ bus: UInt8, _ source: UInt8, flags: UInt8, pin: UInt32
  ) -> [UInt8] {
    [3, InterruptType.vectored, flags, 0, bus, source, 0, UInt8(truncatingIfNeeded: pin)]
  }
}
