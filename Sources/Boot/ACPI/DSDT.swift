/// Differentiated system description table: the devices a kernel cannot find by itself.
enum DSDT {
  /// Describes the machine asked for: at most `AddressMap.virtioMMIOCapacity` virtio-mmio devices.
  static func encode(_ request: BootRequest) -> [UInt8] {
    // Revision 2 makes AML integers 64 bits wide.
    var table = TableWriter(signature: "DSDT", revision: 2)
    let count = min(max(request.virtioMMIODeviceCount, 0), AddressMap.virtioMMIOCapacity)
    var devices = [hostBridge(request), motherboard, serialPort, clock]
    if request.hasPanicDevice { devices.append(panicDevice) }
    table.append(bytes: AML.scope("\\_SB", devices + (0..<count).map(virtioDevice)))
    if request.hasHotPlug { table.append(bytes: HotPlugSlots.eventHandler) }
    table.append(bytes: powerOff)
    return table.finish()
  }

  /// The PCI bus, its windows and the wiring of its interrupts (PCI Firmware 3.3, 4.6).
  private static func hostBridge(_ request: BootRequest) -> [UInt8] {
    let pci64Window = request.pci64Window
    let configuration = AddressMap.pciConfiguration
    var resources = [
      AML.word(.busNumbers, 0..<1),
      AML.io(configuration),
      AML.word(.ports, 0..<configuration.lowerBound),
      AML.word(.ports, configuration.upperBound..<0x1_0000),
      AML.doubleWord(.memory, AddressMap.pci32Window),
    ]
    if !pci64Window.isEmpty { resources.append(AML.quadWord(.memory, pci64Window)) }
    return AML.device(
      "PCI0",
      [
        AML.name("_HID", AML.eisaID("PNP0A08")),
        AML.name("_CID", AML.eisaID("PNP0A03")),
        AML.name("_UID", AML.integer(0)),
        AML.name("_SEG", AML.integer(0)),
        AML.name("_BBN", AML.integer(0)),
        AML.name("_CRS", AML.resourceTemplate(resources)),
        AML.name("_PRT", interruptRouting),
        PCIControl.method,
      ] + (request.hasHotPlug ? HotPlugSlots.terms : []))
  }

  /// Each pin of each device goes to an input of the I/O APIC, without a link device between. The 8259s
  /// have the same inputs, so that this holds for kernels without an I/O APIC, too.
  private static let interruptRouting: [UInt8] = {
    var entries: [[UInt8]] = []
    for device in UInt32(0)..<32 {
      for pin in UInt32(0)..<4 {
        let anyFunction = UInt64(device) << 16 | 0xffff
        let input = AddressMap.pciInterrupt(device: device, pin: pin)
        entries.append(
          AML.package([
            AML.integer(anyFunction), AML.integer(UInt64(pin)), AML.integer(0),
            AML.integer(UInt64(input)),
          ]))
      }
    }
    return AML.package(entries)
  }()

  /// SuspendReasons the ECAM and the ports of hot-plugging, so that nothing else is put there.
  private static let motherboard = AML.device(
    "MBRD",
    [
      AML.name("_HID", AML.eisaID("PNP0C02")),
      AML.name(
        "_CRS",
        AML.resourceTemplate([
          AML.memory32Fixed(AddressMap.ecamReserved), AML.io(AddressMap.hotPlugSlots),
        ])),
    ])

  private static let serialPort = AML.device(
    "COM1",
    [
      AML.name("_HID", AML.eisaID("PNP0501")),
      AML.name("_UID", AML.integer(0)),
      AML.name(
        "_CRS",
        AML.resourceTemplate([AML.io(AddressMap.com1), AML.irq(AddressMap.com1Interrupt)])),
    ])

  /// Without an interrupt: the clock has no alarm.
  private static let clock = AML.device(
    "RTC_",
    [
      AML.name("_HID", AML.eisaID("PNP0B00")),
      AML.name("_CRS", AML.resourceTemplate([AML.io(AddressMap.rtc)])),
    ])

  /// By the id that Linux's and Windows' drivers know.
  private static let panicDevice = AML.device(
    "PEVT",
    [
      AML.name("_HID", AML.string("QEMU0001")),
      AML.name("_CRS", AML.resourceTemplate([AML.io(AddressMap.panic)])),
    ])

  /// A virtio-mmio device, by the id that Linux's driver knows.
  private static func virtioDevice(_ index: Int) -> [UInt8] {
    let digits = String(index, radix: 16, uppercase: true)
    return AML.device(
      "VM" + String(repeating: "0", count: max(0, 2 - digits.count)) + digits,
      [
        AML.name("_HID", AML.string("LNRO0005")),
        AML.name("_UID", AML.integer(UInt64(index))),
        AML.name(
          "_CRS",
          AML.resourceTemplate([
            AML.memory32Fixed(AddressMap.virtioMMIORegisters(index)),
            AML.sharedInterrupt(AddressMap.virtioMMIOInterrupt(index)),
          ])),
      ])
  }

  /// What to write to the PM1 control block to power off (ACPI 6.5, 7.4.2).
  private static let powerOff: [UInt8] = {
    let type = AML.integer(UInt64(AddressMap.powerOffSleepType))
    return AML.name("\\_S5", AML.package([type, type, AML.integer(0), AML.integer(0)]))
  }()
}
