import Devices
import Testing

@Suite struct I8042Tests {
  let ports = AddressSpace(name: "ports")
  let resets = Recorder<Int>()
  let controller: I8042

  init() throws {
    controller = I8042 { [resets] in resets.record(1) }
    try controller.attach(to: ports)
  }

  @Test func bothPortsReadEmpty() {
    #expect(ports.read(address: 0x60, width: 1) == 0)
    #expect(ports.read(address: 0x64, width: 1) == 0)
  }

  @Test func onlyThePulseCommandResets() {
    for value in 0...0xfd as ClosedRange<UInt64> {
      ports.write(address: 0x64, width: 1, value: value)
    }
    ports.write(address: 0x64, width: 1, value: 0xff)
    ports.write(address: 0x60, width: 1, value: 0xfe)
    #expect(resets.events.isEmpty)
    ports.write(address: 0x64, width: 1, value: 0xfe)
    #expect(resets.events.count == 1)
  }

  @Test func portsBetweenAndWideAccessesAreAbsent() {
    for port in [0x61, 0x62, 0x63] as [UInt64] {
      #expect(ports.read(address: port, width: 1) == 0xff)
    }
    #expect(ports.read(address: 0x64, width: 2) == 0xffff)
    ports.write(address: 0x64, width: 4, value: 0xfefe_fefe)
    #expect(resets.events.isEmpty)
  }
}

@Suite struct PVPanicTests {
  let ports = AddressSpace(name: "ports")
  let events = Recorder<PVPanic.Event>()

  init() throws {
    let device = PVPanic { [events] in events.record($0) }
    try ports.add(0x505..<0x505 + PVPanic.size, device: device)
  }

  @Test func tellsWhichEventsItTakes() {
    #expect(ports.read(address: 0x505, width: 1) == 3)
  }

  @Test(
    arguments: [
      (1, [.panicked]), (2, [.crashKernelLoaded]), (3, [.panicked]), (0, []), (4, []),
      (0xfe, [.crashKernelLoaded]), (0xfc, []),
    ] as [(UInt64, [PVPanic.Event])])
  func passesEventsOn(value: UInt64, expected: [PVPanic.Event]) {
    ports.write(address: 0x505, width: 1, value: value)
    #expect(events.events == expected)
  }

  @Test func isOneByteWide() {
    ports.write(address: 0x505, width: 2, value: 1)
    ports.write(address: 0x504, width: 4, value: 0x0101_0101)
    #expect(events.events == [])
    #expect(ports.read(address: 0x505, width: 4) == 0xffff_ffff)
  }
}

@Suite struct ISADebugExitTests {
  let ports = AddressSpace(name: "ports")
  let values = Recorder<UInt32>()

  init() throws {
    try ports.add(0xf4..<0xf8, device: ISADebugExit { [values] in values.record($0) })
  }

  @Test(
    arguments: [
      (0xf4, 1, 0x10), (0xf4, 2, 0xabcd), (0xf4, 4, 0xffff_fffe), (0xf5, 1, 0), (0xf7, 1, 0xff),
    ] as [(UInt64, Int, UInt64)])
  func tellsWhatIsWritten(port: UInt64, width: Int, value: UInt64) {
    ports.write(address: port, width: width, value: value)
    #expect(values.events == [UInt32(value)])
  }

  @Test func hasNothingToRead() {
    #expect(ports.read(address: 0xf4, width: 4) == 0)
    #expect(values.events == [])
  }

  @Test func leavesItsNeighboursAlone() {
    ports.write(address: 0xf8, width: 1, value: 1)
    ports.write(address: 0xf6, width: 4, value: 1)
    #expect(values.events == [])
  }
}
