import Devices
import Testing

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
