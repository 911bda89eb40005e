/// What a PC's BIOS leaves below 1 MiB for kernels that have no ACPI, or do not use it.
enum LegacyFirmware {
  /// Code for `AddressMap.biosEntry`, 16-bit: resets the machine, as a BIOS does that is entered there.
  /// Linux jumps to it with `reboot=bios`, and with `reboot=efi` where there is no EFI.
  static let biosEntry: [UInt8] = {
    var code: [UInt8] = [0xba]  // mov $resetControl, %dx
    code.append(little: UInt16(AddressMap.resetControl))
    code += [0xb0, AddressMap.resetValue]  // mov $resetValue, %al
    code += [0xee]  // out %al, %dx
    code += [0xf4, 0xeb, 0xfd]  // hlt, again and again
    return code
  }()

  /// The MP table for `AddressMap.mpTable`: processors, buses, the I/O APIC and the wiring of
  /// interrupts (MultiProcessor Specification 1.4, 4).
  ///
  /// - Parameter cpuCount: CPUs with APIC ids from 0, at most `AddressMap.largestCPUCount`.
  static func mpTable(cpuCount: Int) -> [UInt8] {
    let entries = processors(min(max(cpuCount, 1), AddressMap.largestCPUCount)) + wiring
    let header = 44
    var table = Array("PCMP".utf8)
    table.append(little: UInt16(truncatingIfNeeded: header + entries.joined().count))
    table += [revision, 0]
    table += TableWriter.Identity.table.utf8
    table += "SWIFTVM     ".utf8
    table.pad(to: 34)  // no table of the manufacturer's
    table.append(little: UInt16(truncatingIfNeeded: entries.count))
    table.append(little: UInt32(truncatingIfNeeded: AddressMap.localAPIC))
    table.pad(to: header)
    table += entries.joined()
    table[7] = TableWriter.checksum(table[...])

    var pointer = Array("_MP_".utf8)
    pointer.append(little: UInt32(truncatingIfNeeded: AddressMap.mpTable.lowerBound + 16))
    pointer += [1, revision]  // 16 bytes long
    pointer.pad(to: 16)  // a table follows; interrupts first go through LINT0: virtual wire mode
    pointer[10] = TableWriter.checksum(pointer[...])
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
      var entry = [0, UInt8(truncatingIfNeeded: id), 0x14, 1 | isBoot]
      entry.append(little: UInt32(0x600))  // family 6
      entry.append(little: UInt32(0x201))  // has an FPU and an APIC
      entry.pad(to: 20)
      return entry
    }
  }

  private static let wiring: [[UInt8]] = {
    var entries = [
      [1, Bus.pci] + Array("PCI   ".utf8), [1, Bus.isa] + Array("ISA   ".utf8),
    ]
    var controller: [UInt8] = [2, 0, 0x11, 1]
    controller.append(little: UInt32(truncatingIfNeeded: AddressMap.ioAPIC))
    entries.append(controller)
    for irq in UInt32(0)..<16 where irq != 2 && !AddressMap.pciInterrupts.contains(irq) {
      // As the ACPI tables have it: the timer is at pin 2, ACPI's interrupt level-triggered.
      let flags: UInt8 = irq == AddressMap.systemControlInterrupt ? 0b1101 : 0
      entries.append(
        interrupt(.init(bus: Bus.isa, source: UInt8(irq)), flags: flags, pin: irq == 0 ? 2 : irq))
    }
    for device in UInt32(0)..<32 {
      for pin in UInt32(0)..<4 {
        entries.append(
          interrupt(
            .init(bus: Bus.pci, source: UInt8(device << 2 | pin)), flags: 0,
            pin: AddressMap.pciInterrupt(device: device, pin: pin)))
      }
    }
    // The 8259s at LINT0 of the first CPU, the non-maskable interrupt at LINT1 of all.
    entries.append([4, InterruptType.external, 0, 0, Bus.isa, 0, 0, 0])
    entries.append([4, InterruptType.nonMaskable, 0, 0, Bus.isa, 0, 0xff, 1])
    return entries
  }()

  private struct Source {
    let bus: UInt8
    let source: UInt8
  }

  private static func interrupt(_ source: Source, flags: UInt8, pin: UInt32) -> [UInt8] {
    [
      3, InterruptType.vectored, flags, 0, source.bus, source.source, 0,
      UInt8(truncatingIfNeeded: pin),
    ]
  }
}
