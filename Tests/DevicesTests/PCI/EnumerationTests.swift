import Devices
import Testing

/// What Linux does to a bus, from the first probe to a driver's interrupts, through the ports.
@Suite struct EnumerationTests {
  let memory = AddressSpace(name: "memory")
  let ports = AddressSpace(name: "ports")
  let region = RecordingDevice(size: 0x8000, answer: 0x42)
  let router = RecordingRouter()
  let line = RecordingLine()
  let bus = PCIBus()
  let function: TestFunction

  init() throws {
    function = TestFunction(
      memory: memory, ports: ports, region: region, router: router, line: line)
    try bus.add(HostBridge(), device: 0)
    try bus.add(function, device: 1)
    try ports.add(0xcf8..<0xd00, device: PCIConfigurationPorts(bus: bus) {})
    try memory.add(0xe000_0000..<0xe000_0000 + ECAM.size, device: ECAM(bus: bus))
  }

  private func select(_ device: UInt64, _ register: UInt64) {
    ports.write(address: 0xcf8, width: 4, value: 1 << 31 | device << 11 | register & 0xfc)
  }

  private func read(_ register: UInt64, width: Int = 4, device: UInt64 = 1) -> UInt64 {
    select(device, register)
    return ports.read(address: 0xcfc + register % 4, width: width)
  }

  private func write(_ register: UInt64, width: Int = 4, _ value: UInt64) {
    select(1, register)
    ports.write(address: 0xcfc + register % 4, width: width, value: value)
  }

  @Test("A function's header tells what the guest has made of it, by ascending register")
  func headers() {
    #expect(HostBridge().header.identity.classCode == 0x060000)
    #expect(HostBridge().header.regions.isEmpty)
    #expect(function.header.identity.subsystem == 0x1043)
    #expect(function.header.regions.map(\.bar.index) == [0, 2, 3])
    #expect(function.header.regions.allSatisfy { $0.address == nil })
    write(0x18, 0xc000_0000)
    write(0x3c, width: 1, 11)
    #expect(function.header.regions.map(\.address) == [nil, 0xc000_0000, nil])
    #expect(function.header.interruptLine == 11)
  }

  @Test func scanFindsWhatIsThere() {
    let found = (0..<32 as Range<UInt64>).filter { read(0, device: $0) != 0xffff_ffff }
    #expect(found == [0, 1])
    #expect(read(0x0a, width: 2, device: 0) == 0x0600)
    #expect(read(0, device: 1) == 0x1043_1af4)
    #expect(read(0x0e, width: 1, device: 1) == 0)
    for device in 0..<2 as Range<UInt64> {
      for register in stride(from: 0, to: 256, by: 4) as StrideTo<UInt64> {
        let mapped = memory.read(address: 0xe000_0000 + device << 15 + register, width: 4)
        #expect(read(register, device: device) == mapped)
      }
    }
  }

  @Test func removedDeviceIsGone() {
    bus.remove(device: 1)
    #expect(read(0) == 0xffff_ffff)
  }

  @Test func capabilityWalkEnds() {
    #expect(read(6, width: 2) & 0x10 != 0)
    var offset = read(0x34, width: 1)
    var found: [UInt64] = []
    while offset != 0, found.count < 48 {
      found.append(read(offset, width: 1))
      offset = read(offset + 1, width: 1)
    }
    #expect(found == [0x09, 0x11])
  }

  /// Sizing while memory is decoded leaves the region where it was in the end.
  @Test func sizingWhileEnabled() {
    place(0x20_0000_0000)
    for register in [0x10, 0x14] as [UInt64] {
      let old = read(register)
      write(register, 0xffff_ffff)
      #expect(read(register) == (register == 0x10 ? 0xffff_8004 : 0xffff_ffff))
      write(register, old)
    }
    #expect(function.ranges[0] == 0x20_0000_0000..<0x20_0000_8000)
    #expect(memory.read(address: 0x20_0000_0000, width: 1) == 0x42)
  }

  @Test func movingByHalves() {
    place(0x20_0000_0000)
    write(0x10, 0xc000_0000)
    #expect(memory.read(address: 0x20_0000_0000, width: 1) == 0xff)
    #expect(memory.read(address: 0x20_c000_0000, width: 1) == 0x42)
    write(0x14, 0)
    #expect(memory.read(address: 0x20_c000_0000, width: 1) == 0xff)
    #expect(memory.read(address: 0xc000_7fff, width: 1) == 0x42)
    #expect(memory.read(address: 0xc000_7fff, width: 2) == 0xffff)
    write(4, width: 2, 0)
    #expect(memory.read(address: 0xc000_0000, width: 1) == 0xff)
  }

  @Test func portRegion() {
    write(0x1c, 0xc001)
    #expect(ports.read(address: 0xc000, width: 1) == 0xff)
    write(4, width: 2, 1)
    #expect(ports.read(address: 0xc01f, width: 1) == 0x42)
    #expect(function.ranges == [nil, nil, 0xc000..<0xc020])
  }

  /// On the configuration window itself, on the ports' own, on another of its regions, near the
  /// end of everything: none of it takes anything from the device that was there first.
  @Test(
    arguments: [0xe000_0000, 0xe000_8000, 0, 0xffff_8000, 0xfee0_0000, 1 << 51, .max] as [UInt64])
  func movedOntoOthers(address: UInt64) {
    write(0x18, 0xd000_0000)
    place(address)
    #expect(memory.read(address: 0xe000_8000, width: 4) == 0x1043_1af4)
    #expect(memory.read(address: 0xd000_0000, width: 1) == 0x42)
    place(0xd000_0000)
    write(0x1c, 0xcf9)
    write(4, width: 2, 3)
    #expect(read(0) == 0x1043_1af4)
    place(0xc000_0000)
    #expect(memory.read(address: 0xc000_0000, width: 1) == 0x42)
  }

  @Test func interruptsByMessage() {
    let capability = UInt64(function.capability)
    write(4, width: 2, 6)
    write(capability + 2, width: 2, 0xc000)
    function.withMSIX { table in
      for vector in 0..<TestFunction.vectorCount {
        table.writeTable(offset: 16 * vector, width: 8, value: 0xfee0_0000)
        table.writeTable(offset: 16 * vector + 8, width: 8, value: UInt64(vector))
      }
      table.trigger(vector: 4)
    }
    #expect(router.log.events.isEmpty)
    write(capability + 2, width: 2, 0x8000)
    #expect(
      router.log.events == [
        .made(0), .programmed(0, address: 0xfee0_0000, data: 4), .triggered(0),
      ])
    #expect(read(capability + 2, width: 2) == 0x8000 | UInt64(TestFunction.vectorCount - 1))
  }

  @Test func interruptsByPin() {
    function.setInterrupt(true)
    #expect(read(6, width: 2) & 8 != 0)
    write(4, width: 2, 0x0400)
    #expect(read(6, width: 2) & 8 != 0)
    write(4, width: 2, 0)
    function.setInterrupt(false)
    #expect(line.levels.events == [true, false, true, false])
    #expect(read(6, width: 2) & 8 == 0)
  }

  private func place(_ address: UInt64) {
    write(4, width: 2, 0)
    write(0x10, address & 0xffff_ffff)
    write(0x14, address >> 32)
    write(4, width: 2, 2)
  }
}
