/// Every fixed guest physical address, port and interrupt of the machine.
///
/// Addresses are bytes from 0, sizes bytes; ports and addresses alike are `UInt64`, as address
/// spaces take them. A range excludes its upper bound.
package enum AddressMap {
  // MARK: Memory below 1 MiB, used only while the kernel starts

  /// Global descriptor table for the first instructions of the guest.
  package static let gdt: UInt64 = 0x500
  /// `hvm_start_info` of the PVH protocol.
  package static let startInfo: UInt64 = 0x6000
  /// `hvm_modlist_entry` array of the PVH protocol.
  package static let moduleList: UInt64 = 0x6040
  /// `hvm_memmap_table_entry` array of the PVH protocol.
  package static let memoryMapTable: UInt64 = 0x6080
  /// `boot_params` of the Linux boot protocol.
  package static let zeroPage: UInt64 = 0x7000
  /// Initial stack pointer; the stack grows down to the end of the zero page.
  package static let bootStack: UInt64 = 0x8ff0
  /// Page tables for the 64-bit entry: PML4, PDPT and four page directories, one page each.
  package static let pageTables: UInt64 = 0x9000
  /// The kernel's command line, NUL-terminated.
  package static let commandLine: UInt64 = 0x2_0000
  /// Room for the command line, its NUL included.
  package static let commandLineCapacity = 0x1_0000
  /// End of the memory a PC calls conventional; from here to `highMemory` is reserved.
  package static let conventionalMemoryEnd: UInt64 = 0x9_fc00
  /// ACPI tables, the RSDP first: a kernel without boot information searches here
  /// (ACPI 6.5, 5.2.5.1).
  package static let acpiTables: Range<UInt64> = 0xe_0000..<0xf_0000
  /// SMBIOS' entry point, which a kernel searches here, and its table (SMBIOS 3.6, 5.2).
  package static let smbios: Range<UInt64> = 0xf_0000..<0xf_d000
  /// The MP table, its floating pointer first, for kernels without ACPI
  /// (MultiProcessor Specification 1.4, 4).
  package static let mpTable: Range<UInt64> = 0xf_d000..<0xf_fff0
  /// Where real-mode code enters the BIOS to restart the PC: F000:FFF0.
  package static let biosEntry: Range<UInt64> = 0xf_fff0..<0x10_0000

  // MARK: Memory

  /// Start of the memory above the firmware area; no kernel is loaded below it.
  package static let highMemory: UInt64 = 0x10_0000
  /// Addresses that never hold RAM: PCI windows, ECAM, interrupt controllers, KVM's own pages.
  package static let hole: Range<UInt64> = 0xc000_0000..<0x1_0000_0000
  /// The largest memory the address map has room for: 46 physical address bits, less the hole.
  package static let largestMemory: UInt64 = (1 << 46) - (hole.upperBound - hole.lowerBound)
  /// Memory addresses for 32-bit base address registers.
  package static let pci32Window: Range<UInt64> = 0xc000_0000..<0xe000_0000
  /// PCI Express configuration space of bus 0, the only bus.
  package static let ecam: Range<UInt64> = 0xe000_0000..<0xe010_0000
  /// What the guest is told to reserve around `ecam`: room for all 256 buses.
  package static let ecamReserved: Range<UInt64> = 0xe000_0000..<0xf000_0000
  /// Registers of the virtio-mmio devices, `virtioMMIOStride` for each.
  package static let virtioMMIO: Range<UInt64> = 0xfeb0_0000..<0xfeb4_0000
  /// Distance between two virtio-mmio devices: a page, of which they need a part.
  package static let virtioMMIOStride: UInt64 = 0x1000
  /// I/O interrupt controller.
  package static let ioAPIC: UInt64 = 0xfec0_0000
  /// Local interrupt controller of every CPU.
  package static let localAPIC: UInt64 = 0xfee0_0000
  /// One page for `KVM_SET_IDENTITY_MAP_ADDR`.
  package static let kvmIdentityMap: UInt64 = 0xfffb_c000
  /// Three pages for `KVM_SET_TSS_ADDR`.
  package static let kvmTSS: UInt64 = 0xfffb_d000
  /// All pages that KVM keeps for itself.
  package static let kvmReserved: Range<UInt64> = kvmIdentityMap..<(kvmTSS + 0x3000)

  // MARK: Ports

  /// First serial port, a 16550.
  package static let com1: Range<UInt64> = 0x3f8..<0x400
  /// CMOS index and data: the real-time clock.
  package static let rtc: Range<UInt64> = 0x70..<0x72
  /// PCI configuration mechanism #1: address at 0xcf8, data at 0xcfc.
  package static let pciConfiguration: Range<UInt64> = 0xcf8..<0xd00
  /// Ports for I/O base address registers.
  package static let pciPortWindow: Range<UInt64> = 0xc000..<0xf000
  /// Reset control register: a byte inside `pciConfiguration`, as on the PC.
  package static let resetControl: UInt64 = 0xcf9
  /// The value that resets the machine when written to `resetControl`.
  package static let resetValue: UInt8 = 0x06
  /// ACPI PM1a event block: status and enable, two bytes each.
  package static let pm1aEvent: Range<UInt64> = 0x600..<0x604
  /// ACPI PM1a control block.
  package static let pm1aControl: Range<UInt64> = 0x604..<0x606

  /// ACPI general-purpose event block 0: status and enable, two bytes each.
  package static let gpe0: Range<UInt64> = 0x610..<0x614
  /// Slots that have been filled, that are to be emptied, and that the guest empties: a bit for each,
  /// four bytes each.
  package static let hotPlugSlots: Range<UInt64> = 0x614..<0x620
  /// The general-purpose event that says to check them.
  package static let hotPlugEvent = 1
  /// The slots whose devices may be plugged and unplugged: all but the host bridge's.
  package static let hotPlugSlotNumbers = 1..<32

  /// The register of the pvpanic device, where there is one; the port is QEMU's.
  package static let panic: Range<UInt64> = 0x505..<0x506

  /// The ports that devices have or may have, or that PCs use, with a noun for each device.
  package static let devicePorts: [(ports: Range<UInt64>, device: String)] = [
    (0x60..<0x61, "the keyboard controller"),
    (0x64..<0x65, "the keyboard controller"),
    (rtc, "the clock"),
    (0x80..<0x81, "the debug port"),
    (com1, "the serial port"),
    (panic, "pvpanic"),
    (pm1aEvent.lowerBound..<pm1aControl.upperBound, "power management"),
    (gpe0.lowerBound..<hotPlugSlots.upperBound, "hot-plugging"),
    (pciConfiguration, "the PCI bus"),
    (pciPortWindow, "PCI devices"),
  ]

  // MARK: Interrupts and power

  /// Interrupt of the first serial port, edge-triggered.
  package static let com1Interrupt: UInt32 = 4
  /// ACPI's system control interrupt, level-triggered, active high.
  package static let systemControlInterrupt: UInt32 = 9
  /// The interrupt inputs that PCI devices share, as usual on a PC. The 8259s have them, too, so that
  /// a kernel without an I/O APIC, or without ACPI, gets the same interrupts.
  package static let pciInterrupts: [UInt32] = [5, 10, 11]
  /// The interrupt inputs that virtio-mmio devices share, free of PCI's and the PC's own devices.
  package static let virtioMMIOInterrupts: [UInt32] = [6, 7, 14, 15]
  /// The inputs of the 8259s that are level-triggered, as firmware would set them.
  package static var levelInterrupts: [UInt32] { pciInterrupts + [systemControlInterrupt] }
  /// SLP_TYP value that powers the machine off.
  package static let powerOffSleepType: UInt8 = 5
  /// The largest number of CPUs: APIC ids beyond 254 would need x2APIC from the first instruction.
  package static let largestCPUCount = 254

  /// Where each pin of each PCI device is wired to.
  static let pciWiring: [(device: UInt32, pin: UInt32, input: UInt32)] =
    (0..<32).flatMap { device in
      (0..<4).map { pin in (device, pin, pciInterrupt(device: device, pin: pin)) }
    }

  /// The interrupt input to which a PCI device's pin is wired.
  ///
  /// - Parameters:
  ///   - device: 0 to 31, on bus 0.
  ///   - pin: 0 for INTA to 3 for INTD.
  package static func pciInterrupt(device: UInt32, pin: UInt32) -> UInt32 {
    pciInterrupts[Int(device &+ pin) % pciInterrupts.count]
  }

  /// How many virtio-mmio devices there is room for.
  package static var virtioMMIOCapacity: Int { virtioMMIO.count / Int(virtioMMIOStride) }

  /// Where the registers of virtio-mmio device `index` are, from 0 to below `virtioMMIOCapacity`.
  package static func virtioMMIORegisters(_ index: Int) -> Range<UInt64> {
    let start = virtioMMIO.lowerBound + UInt64(index) * virtioMMIOStride
    return start..<start + virtioMMIOStride
  }

  /// The interrupt input of virtio-mmio device `index`.
  package static func virtioMMIOInterrupt(_ index: Int) -> UInt32 {
    virtioMMIOInterrupts[index % virtioMMIOInterrupts.count]
  }
}
