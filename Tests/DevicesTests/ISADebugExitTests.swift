import Devices
import Testing

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
