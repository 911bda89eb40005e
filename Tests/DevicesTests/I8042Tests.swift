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
