import Boot
import Testing

@Suite struct DSDTTests {
  private static let window = (64 * gibibyte)..<(128 * gibibyte)

  private func names(
    pci64Window: Range<UInt64> = window, virtioMMIODevices: Int = 0,
    hasPanicDevice: Bool = false, hasHotPlug: Bool = false
  ) throws -> [String: AMLReader.Value] {
    try table(
      pci64Window: pci64Window, virtioMMIODevices: virtioMMIODevices,
      hasPanicDevice: hasPanicDevice, hasHotPlug: hasHotPlug
    ).names
  }

  private func table(
    pci64Window: Range<UInt64> = window, virtioMMIODevices: Int = 0,
    hasPanicDevice: Bool = false, hasHotPlug: Bool = false
  ) throws -> AMLReader {
    let kernel = ELFFile.microGuest.bytes
    var request = BootRequest(
      memorySize: 64 * mebibyte, cpuCount: 1, commandLine: "", initrdSize: nil,
      pci64Window: pci64Window)
    request.virtioMMIODeviceCount = virtioMMIODevices
    request.hasPanicDevice = hasPanicDevice
    request.hasHotPlug = hasHotPlug
    let plan = try BootPlan(kernel: ImageBytes(kernel), request: request)
    let dsdt = try ACPIWalk(plan, kernel: kernel)["DSDT"]
    #expect(dsdt[8] == 2, "64-bit integers")
    return try AMLReader(Array(dsdt[36...]))
  }

  @Test func isWellFormedAndComplete() throws {
    #expect(
      Set(try names().keys)
        == Set(
          [
            "._SB_.PCI0._HID", "._SB_.PCI0._CID", "._SB_.PCI0._UID", "._SB_.PCI0._SEG",
            "._SB_.PCI0._BBN", "._SB_.PCI0._CRS", "._SB_.PCI0._PRT", "._SB_.MBRD._HID",
            "._SB_.MBRD._CRS", "._SB_.COM1._HID", "._SB_.COM1._UID", "._SB_.COM1._CRS",
            "._SB_.RTC_._HID", "._SB_.RTC_._CRS", "._S5_",
          ]))
  }

  @Test("Slots are there only where devices may come and go, since Linux prints a line for each")
  func slotsOnlyForHotPlugging() throws {
    let slots = (1...31).map { Self.slot($0) }
    let (without, with) = (try table(), try table(hasHotPlug: true))
    #expect(
      Set(with.names.keys).subtracting(without.names.keys)
        == Set(slots.flatMap { [$0 + "._ADR", $0 + "._SUN"] }))
    #expect(without.regions == [:])
    #expect(Set(without.methods.keys) == ["._SB_.PCI0._OSC"])
    #expect(
      Set(with.methods.keys)
        == Set(slots.map { $0 + "._EJ0" } + ["._SB_.PCI0._OSC", "._SB_.PCI0.PCNT", "._GPE._E01"]))
  }

  /// The method's bytes: its answers are what `Linux` prints in the tests of stock guests.
  @Test("The guest may control all of PCI Express but hot-plugging")
  func pciControl() throws {
    let uuid: [UInt8] = [
      0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40, 0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7,
      0x66,
    ]
    func named(_ name: String) -> [UInt8] { Array(name.utf8) }
    // If (And (CDW3, 3)) { Or (CDW1, 16, CDW1) }
    let mask: [UInt8] =
      [0x7b] + named("CDW3") + [0x0a, 3, 0, 0x7d] + named("CDW1") + [0x0a, 0x10] + named("CDW1")
    // If (LEqual (Arg0, UUID)) { CreateDWordField (Arg3, 8, CDW3) … And (CDW3, 0xfffffffc, CDW3) }
    var known: [UInt8] = [0x93, 0x68, 0x11, 19, 0x0a, 16] + uuid
    known += [0x8a, 0x6b, 0x0a, 8] + named("CDW3")
    known += [0xa0, UInt8(mask.count + 1)] + mask
    known += [0x7b] + named("CDW3") + [0x0c, 0xfc, 0xff, 0xff, 0xff] + named("CDW3")
    // Else { Or (CDW1, 4, CDW1) } Return (Arg3)
    let unknown: [UInt8] = [0x7d] + named("CDW1") + [0x0a, 4] + named("CDW1")
    #expect(
      try table().methods["._SB_.PCI0._OSC"]
        == [4 | 8, 0x8a, 0x6b, 0] + named("CDW1") + [0xa0] + AML.packageLength(of: known) + known
        + [0xa1, UInt8(unknown.count + 1)] + unknown + [0xa4, 0x6b])
  }

  @Test func devicesHaveTheirPlugAndPlayIDs() throws {
    let names = try names()
    // PNP is 0x41d0 with its bytes swapped, as published in the PNP id lists.
    #expect(names["._SB_.PCI0._HID"] == .integer(0x080a_d041))
    #expect(names["._SB_.PCI0._CID"] == .integer(0x030a_d041))
    #expect(names["._SB_.MBRD._HID"] == .integer(0x020c_d041))
    #expect(names["._SB_.COM1._HID"] == .integer(0x0105_d041))
    #expect(names["._SB_.RTC_._HID"] == .integer(0x000b_d041))
  }

  @Test func announcesAPanicDevice() throws {
    let names = try names(hasPanicDevice: true)
    #expect(names["._SB_.PEVT._HID"] == .string("QEMU0001"))
    #expect(
      try resources("._SB_.PEVT._CRS", hasPanicDevice: true)
        == [Resource(tag: 0x47, kind: nil, range: 0x505..<0x506)])
  }

  @Test func powerOffIsSleepType5() throws {
    #expect(
      try names()["._S5_"] == .package([.integer(5), .integer(5), .integer(0), .integer(0)]))
  }

  @Test func hostBridgeHandsItsWindowsOn() throws {
    let resources = try resources("._SB_.PCI0._CRS")
    #expect(
      resources == [
        Resource(tag: 0x88, kind: 2, range: 0..<1),
        Resource(tag: 0x47, kind: nil, range: 0xcf8..<0xd00),
        Resource(tag: 0x88, kind: 1, range: 0..<0xcf8),
        Resource(tag: 0x88, kind: 1, range: 0xd00..<0x1_0000),
        Resource(tag: 0x87, kind: 0, range: 0xc000_0000..<0xe000_0000),
        Resource(tag: 0x8a, kind: 0, range: Self.window),
      ])
  }

  @Test func anEmpty64BitWindowIsLeftOut() throws {
    #expect(try resources("._SB_.PCI0._CRS", pci64Window: 0..<0).count == 5)
    #expect(try resources("._SB_.PCI0._CRS", pci64Window: 0..<UInt64.max).count == 6)
  }

  @Test func boardDevicesHaveTheirResources() throws {
    #expect(
      try resources("._SB_.MBRD._CRS")
        == [
          Resource(tag: 0x86, kind: nil, range: 0xe000_0000..<0xf000_0000),
          Resource(tag: 0x47, kind: nil, range: 0x614..<0x620),
        ])
    #expect(
      try resources("._SB_.COM1._CRS") == [
        Resource(tag: 0x47, kind: nil, range: 0x3f8..<0x400),
        Resource(tag: 0x22, kind: nil, range: 4..<5),
      ])
    #expect(
      try resources("._SB_.RTC_._CRS") == [Resource(tag: 0x47, kind: nil, range: 0x70..<0x72)])
  }

  private static func slot(_ number: Int) -> String {
    "._SB_.PCI0.S" + (number < 16 ? "0" : "") + String(number, radix: 16, uppercase: true) + "_"
  }

  @Test("Every slot but the host bridge's has its number, and can be emptied")
  func slots() throws {
    let table = try table(hasHotPlug: true)
    for number in 1...31 {
      let slot = Self.slot(number)
      #expect(table.names[slot + "._ADR"] == .integer(UInt64(number) << 16))
      #expect(table.names[slot + "._SUN"] == .integer(UInt64(number)))
      // One argument: Store (1 << number, PCEJ).
      let code = try #require(table.methods[slot + "._EJ0"])
      #expect(code.first == 1 && code[1] == 0x70)
      #expect(code.suffix(4).elementsEqual("PCEJ".utf8))
      #expect(Array(code[2..<code.count - 4]) == AML.integer(1 << UInt64(number)))
    }
  }

  @Test("The event's handler looks at both registers and notifies the slots that they name")
  func hotPlugEvent() throws {
    let table = try table(hasHotPlug: true)
    #expect(
      table.regions == [
        "._SB_.PCI0.HPIO": .init(
          ports: 0x614..<0x620,
          fields: ["._SB_.PCI0.PCIU": 32, "._SB_.PCI0.PCID": 32, "._SB_.PCI0.PCEJ": 32])
      ])
    #expect(
      table.methods["._GPE._E01"] == [0, 0x5c, 0x2f, 3] + Array("_SB_PCI0PCNT".utf8))
    // For each register: Store (it, Local0), then for each slot
    // If (And (Local0, 1 << number)) { Notify (slot, 1 or 3) }.
    var expected: [UInt8] = [0]
    for (register, notification) in [("PCIU", 0x01), ("PCID", 0x03)] as [(String, UInt8)] {
      expected += [0x70] + Array(register.utf8) + [0x60]
      for number in 1...31 {
        let mask = AML.integer(1 << UInt64(number))
        let name = Array(Self.slot(number).utf8.suffix(4))
        let value: [UInt8] = notification == 1 ? [0x01] : [0x0a, notification]
        let body = [0x7b, 0x60] + mask + [0x00, 0x86] + name + value
        expected += [0xa0, UInt8(body.count + 1)] + body
      }
    }
    #expect(table.methods["._SB_.PCI0.PCNT"] == expected)
  }

  @Test func everyPinIsRouted() throws {
    guard case .package(let routes) = try names()["._SB_.PCI0._PRT"] else {
      Issue.record("no _PRT")
      return
    }
    var expected: [AMLReader.Value] = []
    for device in UInt64(0)..<32 {
      for pin in UInt64(0)..<4 {
        expected.append(
          .package([
            .integer(device << 16 | 0xffff), .integer(pin), .integer(0),
            .integer([5, 10, 11][Int(device + pin) % 3]),
          ]))
      }
    }
    #expect(routes == expected)
  }

  @Test("The ports that I/O BARs get are among those the host bridge hands on")
  func portWindow() throws {
    let window = AddressMap.pciPortWindow
    #expect(
      try resources("._SB_.PCI0._CRS").contains {
        $0.kind == 1 && $0.range.lowerBound <= window.lowerBound
          && window.upperBound <= $0.range.upperBound
      })
  }

  @Test("A virtio-mmio device is where its registers are, with a level interrupt PCI does not use")
  func virtioDevices() throws {
    let names = try names(virtioMMIODevices: 26)
    #expect(names.keys.filter { $0.hasSuffix("._HID") && $0.contains("VM") }.count == 26)
    for index in 0..<26 {
      let digits = String(index, radix: 16, uppercase: true)
      let device = "._SB_.VM" + (index < 16 ? "0" : "") + digits
      #expect(names[device + "._HID"] == .string("LNRO0005"))
      #expect(names[device + "._UID"] == .integer(UInt64(index)))
      let start = 0xfeb0_0000 + UInt64(index) * 0x1000
      let line = UInt64(AddressMap.virtioMMIOInterrupt(index))
      #expect(
        try resources(device + "._CRS", virtioMMIODevices: 26) == [
          Resource(tag: 0x86, kind: nil, range: start..<(start + 0x1000)),
          Resource(tag: 0x89, kind: 0x09, range: line..<(line + 1)),
        ])
      #expect(!AddressMap.pciInterrupts.contains(UInt32(line)))
      #expect(
        ![0, 2, AddressMap.com1Interrupt, 8, AddressMap.systemControlInterrupt].contains(
          UInt32(line)))
    }
  }

  @Test("As many virtio-mmio devices as there is room for, and their registers overlap nothing")
  func allVirtioDevices() throws {
    let capacity = AddressMap.virtioMMIOCapacity
    let names = try names(virtioMMIODevices: capacity + 1)
    #expect(names.values.filter { $0 == .string("LNRO0005") }.count == capacity)
    #expect(
      AddressMap.virtioMMIORegisters(capacity - 1).upperBound == AddressMap.virtioMMIO.upperBound)
    #expect(AddressMap.hole.clamped(to: AddressMap.virtioMMIO) == AddressMap.virtioMMIO)
    for other in [AddressMap.pci32Window, AddressMap.ecamReserved, AddressMap.kvmReserved] {
      #expect(!other.overlaps(AddressMap.virtioMMIO))
    }
    #expect(AddressMap.virtioMMIO.upperBound <= AddressMap.ioAPIC)
  }

  private struct Resource: Equatable {
    let tag: UInt8
    let kind: UInt8?
    let range: Range<UInt64>
  }

  /// The descriptors of a resource template, each of the length its tag demands.
  private func resources(
    _ name: String, pci64Window: Range<UInt64> = window, virtioMMIODevices: Int = 0,
    hasPanicDevice: Bool = false
  ) throws -> [Resource] {
    let names = try names(
      pci64Window: pci64Window, virtioMMIODevices: virtioMMIODevices,
      hasPanicDevice: hasPanicDevice)
    guard case .buffer(let bytes) = names[name] else {
      throw AMLReader.Malformed(description: "\(name) is no buffer")
    }
    var result: [Resource] = []
    var offset = 0
    while bytes[offset] != 0x79 {
      let tag = bytes[offset]
      let isLarge = tag & 0x80 != 0
      let size =
        isLarge ? 3 + Int(bytes.integer(UInt16.self, at: offset + 1)) : 1 + Int(tag & 7)
      try #require(offset + size < bytes.count)
      result.append(try resource(Array(bytes[offset..<(offset + size)])))
      offset += size
    }
    #expect(offset == bytes.count - 2)
    #expect(bytes[offset + 1] == 0)
    return result
  }

  private func resource(_ bytes: [UInt8]) throws -> Resource {
    switch bytes[0] {
    case 0x22:
      let irq = UInt64(bytes.integer(UInt16.self, at: 1).trailingZeroBitCount)
      #expect(bytes.integer(UInt16.self, at: 1).nonzeroBitCount == 1)
      return Resource(tag: 0x22, kind: nil, range: irq..<(irq + 1))
    case 0x47:
      let start = UInt64(bytes.integer(UInt16.self, at: 2))
      #expect(bytes.integer(UInt16.self, at: 4) == UInt16(start))
      return Resource(tag: 0x47, kind: nil, range: start..<(start + UInt64(bytes[7])))
    case 0x86:
      let start = UInt64(bytes.integer(UInt32.self, at: 4))
      let size = UInt64(bytes.integer(UInt32.self, at: 8))
      return Resource(tag: 0x86, kind: nil, range: start..<(start + size))
    case 0x89:
      #expect(bytes[4] == 1)
      let line = UInt64(bytes.integer(UInt32.self, at: 5))
      return Resource(tag: 0x89, kind: bytes[3], range: line..<(line + 1))
    case 0x87: return window(bytes, UInt32.self)
    case 0x88: return window(bytes, UInt16.self)
    case 0x8a: return window(bytes, UInt64.self)
    default: throw AMLReader.Malformed(description: "resource \(bytes)")
    }
  }

  private func window<Value: FixedWidthInteger & UnsignedInteger>(
    _ bytes: [UInt8], _: Value.Type
  ) -> Resource {
    let size = MemoryLayout<Value>.size
    #expect(bytes.count == 6 + 5 * size)
    #expect(bytes[4] == 0x0c)
    let fields = (0..<5).map { UInt64(bytes.integer(Value.self, at: 6 + $0 * size)) }
    #expect(fields[0] == 0)
    #expect(fields[3] == 0)
    #expect(fields[2] - fields[1] + 1 == fields[4])
    return Resource(tag: bytes[0], kind: bytes[3], range: fields[1]..<(fields[2] + 1))
  }
}

@Suite struct AMLTests {
  @Test(
    arguments: [
      (0, [0x01]), (62, [0x3f]), (63, [0x41, 0x04]), (0xffd, [0x4f, 0xff]),
      (0xffe, [0x81, 0x00, 0x01]), (0xf_fffc, [0x8f, 0xff, 0xff]),
      (0xf_fffd, [0xc1, 0x00, 0x00, 0x01]),
    ] as [(Int, [UInt8])])
  func packageLengthCountsItself(_ size: Int, _ encoded: [UInt8]) {
    #expect(AML.packageLength(of: Array(repeating: 0, count: size)) == encoded)
  }

  @Test(
    arguments: [
      (0, [0x00]), (1, [0x01]), (2, [0x0a, 2]), (0xff, [0x0a, 0xff]), (0x100, [0x0b, 0, 1]),
      (0xffff, [0x0b, 0xff, 0xff]), (0x1_0000, [0x0c, 0, 0, 1, 0]),
      (0xffff_ffff, [0x0c, 0xff, 0xff, 0xff, 0xff]),
      (0x1_0000_0000, [0x0e, 0, 0, 0, 0, 1, 0, 0, 0]),
      (.max, [0x0e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    ] as [(UInt64, [UInt8])])
  func integersAreShortest(_ value: UInt64, _ encoded: [UInt8]) {
    #expect(AML.integer(value) == encoded)
  }
}
