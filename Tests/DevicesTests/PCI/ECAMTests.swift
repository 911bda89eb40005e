import Devices
import Testing

@Suite struct ECAMTests {
  let ecam: ECAM

  init() throws {
    let bus = PCIBus()
    try bus.add(HostBridge(), device: 3)
    ecam = ECAM(bus: bus)
  }

  @Test func offsetsAreDeviceFunctionAndRegister() {
    #expect(ecam.read(offset: 3 << 15, width: 4) == 0x0d57_8086)
    #expect(ecam.read(offset: 3 << 15, width: 8) == 0x0000_0000_0d57_8086)
    #expect(ecam.read(offset: 3 << 15 | 0x0a, width: 2) == 0x0600)
    #expect(ecam.read(offset: 3 << 15 | 0xffc, width: 4) == 0)
    ecam.write(offset: 3 << 15 | 4, width: 2, value: 2)
    #expect(ecam.read(offset: 3 << 15 | 4, width: 1) == 2)
  }

  @Test func everythingElseIsAbsent() {
    let absent: [UInt64] = [
      0, 4 << 15, 3 << 15 | 1 << 12, 1 << 20 | 3 << 15, 1 << 28 | 3 << 15, .max,
    ]
    for offset in absent {
      #expect(ecam.read(offset: offset, width: 4) == 0xffff_ffff)
      ecam.write(offset: offset, width: 4, value: 0)
    }
    #expect(ecam.read(offset: 3 << 15 | 0xffe, width: 4) == 0xffff_ffff)
  }
}
