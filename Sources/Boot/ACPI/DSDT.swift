/// Differentiated system description table: the devices that a kernel cannot find by itself.
enum DSDT {
  /// Describes the machine asked for: at most `AddressMap.virtioMMIOCapacity` virtio-mmio devices.
  static func encode(_ request: BootRequest) -> [UInt8] {
    // Revision 2 makes AML integers 64 bits wide.
    var table = TableWriter("DSDT", revision: 2)
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
    let configuration = AddressMap.pciConfiguration
    var resources = [
      AML.window(UInt16.self, .busNumbers, 0..<1),
      AML.io(configuration),
      AML.window(UInt16.self, .ports, 0..<configuration.lowerBound),
      AML.window(UInt16.self, .ports, configuration.upperBound..<0x1_0000),
      AML.window(UInt32.self, .memory, AddressMap.pci32Window),
    ]
    if !request.pci64Window.isEmpty {
      resources.append(AML.window(UInt64.self, .memory, request.pci64Window))
    }
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
        pciControl,
      ] + (request.hasHotPlug ? HotPlugSlots.terms : []))
  }

  /// Each pin of each device is wired to an input of the I/O APIC, without a link device between. The
  /// 8259s have the same inputs, so kernels without an I/O APIC can use it.
  private static let interruptRouting = AML.package(
    AddressMap.pciWiring.map { device, pin, input in
      let anyFunction = device << 16 | 0xffff
      return AML.package([
        AML.integer(anyFunction), AML.integer(pin), AML.integer(0), AML.integer(input),
      ])
    })

  /// Divides the control of PCI Express between guest and firmware: the `_OSC` method (PCI Firmware
  /// 3.3, 4.5.1; ACPI 6.5, 6.2.11). The guest gets all but hot-plugging, which ACPI does here.
  ///
  /// Arguments: a UUID, a revision, a count, and a buffer of double words: status, support, control.
  /// The answer is the buffer, less the control that is refused.
  private static let pciControl: [UInt8] = {
    // 33DB4D5B-1FF7-401C-9657-7441C03DD766, the PCI host bridge's.
    let uuid: [UInt8] = [
      0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40, 0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7,
      0x66,
    ]
    let hotPlug: UInt64 = 0b11  // native, and of the Standard Hot-Plug Controller
    let unknownUUID: UInt64 = 1 << 2
    let bitsMasked: UInt64 = 1 << 4
    let status = AML.path("CDW1")
    let control = AML.path("CDW3")
    return AML.method(
      "_OSC", argumentCount: 4, isSerialized: true,
      [
        AML.doubleWordField("CDW1", of: AML.argument(3), at: 0),
        AML.ifEqual(
          AML.argument(0), AML.buffer(uuid),
          [
            AML.doubleWordField("CDW3", of: AML.argument(3), at: 8),
            AML.ifAny(of: hotPlug, in: control, [AML.setBits(bitsMasked, in: status)]),
            AML.clearBits(hotPlug, in: control),
          ]),
        AML.otherwise([AML.setBits(unknownUUID, in: status)]),
        AML.returning(AML.argument(3)),
      ])
  }()

  /// Reserves the ECAM and the ports of hot-plugging.
  private static let motherboard = device(
    "MBRD", AML.eisaID("PNP0C02"),
    [AML.memory32Fixed(AddressMap.ecamReserved), AML.io(AddressMap.hotPlugSlots)])

  private static let serialPort = device(
    "COM1", AML.eisaID("PNP0501"), number: 0,
    [AML.io(AddressMap.com1), AML.irq(AddressMap.com1Interrupt)])

  /// Without an interrupt: the clock has no alarm.
  private static let clock = device("RTC_", AML.eisaID("PNP0B00"), [AML.io(AddressMap.rtc)])

  /// With the id that Linux's and Windows' drivers know.
  private static let panicDevice = device(
    "PEVT", AML.string("QEMU0001"), [AML.io(AddressMap.panic)])

  /// A virtio-mmio device, with the id that Linux's driver knows.
  private static func virtioDevice(_ index: Int) -> [UInt8] {
    device(
      "VM" + twoDigits(index), AML.string("LNRO0005"), number: index,
      [
        AML.memory32Fixed(AddressMap.virtioMMIORegisters(index)),
        AML.sharedInterrupt(AddressMap.virtioMMIOInterrupt(index)),
      ])
  }

  private static func device(
    _ name: String, _ id: [UInt8], number: Int? = nil, _ resources: [[UInt8]]
  ) -> [UInt8] {
    var terms = [AML.name("_HID", id)]
    if let number { terms.append(AML.name("_UID", AML.integer(number))) }
    terms.append(AML.name("_CRS", AML.resourceTemplate(resources)))
    return AML.device(name, terms)
  }

  /// What to write to the PM1 control block to power off (ACPI 6.5, 7.4.2).
  private static let powerOff: [UInt8] = {
    let type = AML.integer(AddressMap.powerOffSleepType)
    return AML.name("\\_S5", AML.package([type, type, AML.integer(0), AML.integer(0)]))
  }()
}

/// Announces to a kernel that devices on the PCI bus come and go: a device object for each slot, and
/// the handler of the event that says to check the slots (ACPI 6.5, 5.6.4, 6.3).
///
/// Only for machines with hot-plugging: Linux prints a line for each slot. Linux (acpiphp) and Windows
/// take it for any PCI function; PCI Express' own hot-plugging needs a bridge for each slot.
private enum HotPlugSlots {
  private static let filled = "PCIU"
  private static let toBeEmptied = "PCID"
  private static let eject = "PCEJ"
  private static let check = "PCNT"

  /// For the host bridge's object: the registers, the slots, and the method that checks them all.
  static let terms: [[UInt8]] =
    [
      AML.portRegion("HPIO", AddressMap.hotPlugSlots),
      AML.registers([filled, toBeEmptied, eject], in: "HPIO"),
    ] + AddressMap.hotPlugSlotNumbers.map(slot) + [
      AML.method(
        check,
        look(at: filled, notifying: 1)  // device check
          + look(at: toBeEmptied, notifying: 3))  // eject request
    ]

  /// The handler of the event, edge-triggered.
  static let eventHandler = AML.scope(
    "\\_GPE",
    [AML.method("_E0\(AddressMap.hotPlugEvent)", [AML.path("\\_SB.PCI0." + check)])])

  private static func name(of slot: Int) -> String { "S" + twoDigits(slot) }

  private static func slot(_ number: Int) -> [UInt8] {
    AML.device(
      name(of: number),
      [
        AML.name("_ADR", AML.integer(number << 16)),
        AML.name("_SUN", AML.integer(number)),
        AML.method(
          "_EJ0", argumentCount: 1,
          [AML.store(AML.integer(1 << UInt64(number)), in: AML.path(eject))]),
      ])
  }

  private static func look(at register: String, notifying notification: UInt64) -> [[UInt8]] {
    [AML.store(AML.path(register), in: AML.local0)]
      + AddressMap.hotPlugSlotNumbers.map { number in
        AML.ifAny(
          of: 1 << UInt64(number), in: AML.local0, [AML.notify(name(of: number), notification)])
      }
  }
}

private func twoDigits(_ number: Int) -> String {
  (number < 16 ? "0" : "") + String(number, radix: 16, uppercase: true)
}
