import KVM
import TestSupport
import Testing

/// What the micro guest does alone with KVM, without devices.
@Suite(.serialized, .enabled(if: MicroGuest.isAvailable, Comment(rawValue: MicroGuest.requirement)))
struct MicroGuestTests {
  @Test func speaksAndPowersOff() throws {
    let guest = try MicroGuest("run=hello")
    try guest.run()
    #expect(guest.lines == ["hello from the micro guest", "done"])
    #expect(guest.powerOff == 0x3400)
  }

  @Test func accessesOfEveryWidthComeBackAsWritten() throws {
    let guest = try MicroGuest("run=ports,mmio,strings io-port=0x5000 at=0xd0000000")
    try guest.run()
    #expect(
      guest.lines == [
        "ports 0x33 0x3333 0x33333333",
        "mmio 0x11 0x2222 0x33333333 0x4444444444444444",
        // The last element written was the word "ng".
        "strings nnnn", "done",
      ])
  }

  @Test func namesAScenarioItDoesNotHave() throws {
    let guest = try MicroGuest("run=nonsense")
    try guest.run()
    #expect(guest.lines == ["fail: no such scenario in the command line: run=nonsense"])
    #expect(guest.powerOff == 0x3400)
  }

  @Test(arguments: [("reset-i8042", 0x64), ("reset-cf9", 0xcf9)] as [(String, UInt16)])
  func resets(by name: String, port: UInt16) throws {
    let guest = try MicroGuest("run=hello end=\(name)")
    try guest.run()
    #expect(guest.reset == port)
    #expect(guest.powerOff == nil)
  }

  @Test func tripleFaults() throws {
    let guest = try MicroGuest("run=hello end=triple-fault")
    try guest.run()
    #expect(guest.end() == .shutdown)
  }

  @Test func internalErrorNamesTheInstruction() throws {
    let guest = try MicroGuest("run=internal-error at=0xd0000000")
    try guest.run()
    guard case .internalError(let report) = guest.end() else {
      Issue.record("ended with \(String(describing: guest.end()))")
      return
    }
    #expect(report.suberror == 1)
    #expect(report.instruction.starts(with: [0xf0, 0x48, 0x0f, 0xc7]))
    #expect(report.instructionPointer >= 0x10_0000)
  }

  @Test(arguments: ["spin", "halt"])
  func stopsWhereverItIs(_ end: String) throws {
    let guest = try MicroGuest("run=hello end=\(end)")
    try guest.start()
    #expect(guest.waitForLine("done"))
    let before = monotonicSeconds()
    guest.stop()
    #expect(guest.end() == .stopped)
    // Ordinarily some 50 µs; a second tells a kick from luck on a busy host.
    #expect(monotonicSeconds() - before < 1)
  }

  @Test func startsOtherProcessors() throws {
    let guest = try MicroGuest("run=processors processors=3", processors: 3)
    try guest.run()
    #expect(guest.lines == ["processors 3", "done"])
    guest.stop()
    #expect((0..<3).allSatisfy { guest.end(of: $0) == .stopped })
  }

  /// A processor never started by the guest waits in the kernel, and must leave it all the same.
  @Test func stopsAProcessorThatNeverStarted() throws {
    let guest = try MicroGuest("run=hello", processors: 2)
    try guest.run()
    guest.stop()
    #expect(guest.end(of: 1) == .stopped)
  }

  @Test func processorsSeeTheirTopology() throws {
    let guest = try MicroGuest("run=cpuid leaf=11 subleaf=1", processors: 3)
    try guest.run()
    // Two bits number three cores; level 2 is "core"; this is processor 0.
    #expect(guest.lines.first == "cpuid 0xb 0x1: 0x2 0x3 0x201 0x0")
  }
}
