import SwiftVM
import Testing

@Suite
struct DebugExitValidationTests {
  private func problem(_ firstPort: UInt16, _ portCount: Int) throws -> String? {
    var fixture = try ConfigurationFixture()
    fixture.configuration.debugExit = DebugExitConfiguration(
      firstPort: firstPort, portCount: portCount)
    return fixture.problem()
  }

  @Test(arguments: [(0x501, 2), (0xf4, 4), (0x501, 4), (0xfff0, 16)] as [(UInt16, Int)])
  func acceptsFreePorts(firstPort: UInt16, portCount: Int) throws {
    #expect(try problem(firstPort, portCount) == nil)
  }

  @Test(arguments: [(0x501, 0), (0x501, -1), (0xfff0, 17), (0, Int.max)] as [(UInt16, Int)])
  func refusesPortsBeyondTheLast(firstPort: UInt16, portCount: Int) throws {
    #expect(
      try problem(firstPort, portCount)
        == "-device isa-debug-exit iosize=\(portCount): the ports are not within 0x0 to 0xffff;"
        + " give e.g. iosize=2")
  }

  @Test(
    arguments: [
      (0x3f8, 1, "the serial port"), (0x3f0, 9, "the serial port"), (0x501, 5, "pvpanic"),
      (0x604, 2, "power management"), (0xcf9, 1, "the PCI bus"), (0xc100, 4, "PCI devices"),
      (0x64, 1, "the keyboard controller"), (0x70, 1, "the clock"), (0x80, 1, "the debug port"),
    ] as [(UInt16, Int, String)])
  func leavesOtherDevicesTheirPorts(firstPort: UInt16, portCount: Int, device: String) throws {
    #expect(
      try problem(firstPort, portCount)
        == "-device isa-debug-exit iobase=0x\(String(firstPort, radix: 16)): these ports belong to"
        + " \(device); give e.g. iobase=0x501 or 0xf4")
  }
}
