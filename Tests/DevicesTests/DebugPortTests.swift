import Devices
import Testing

@Suite struct DebugPortTests {
  @Test func swallowsCodesAndReportsThem() {
    let codes = Recorder<UInt8>()
    let port = DebugPort { codes.record($0) }
    port.write(offset: 0, width: 1, value: 0x42)
    DebugPort().write(offset: 0, width: 1, value: 0x43)
    #expect(codes.events == [0x42])
    #expect(port.read(offset: 0, width: 1) == 0xff)
  }
}
