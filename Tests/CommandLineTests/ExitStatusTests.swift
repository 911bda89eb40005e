import SwiftVM
import Testing

@testable import swiftvm_cli

@Suite
struct ExitStatusTests {
  @Test(
    arguments: [
      (.poweredOff, 0), (.hostFailure("x"), 1), (.reset, 3), (.tripleFault, 4),
      (.internalError(report: "x"), 5), (.stoppedByUser, 6), (.stopped(signal: 2), 130),
      (.stopped(signal: 15), 143),
      (.panicked, 7), (.halted, 8), (.oopsed, 10), (.outputLost, 12), (.debugExit(value: 0), 1),
      (.debugExit(value: 0x10), 33),
      (.debugExit(value: 0x7f), 255), (.debugExit(value: .max), 255), (.debugExit(value: 0x80), 1),
    ] as [(VirtualMachineOutcome, Int32)])
  func tellsHowTheMachineEnded(outcome: VirtualMachineOutcome, code: Int32) {
    #expect(ExitStatus(outcome).code == code)
  }

  @Test func tellsAConfigurationError() {
    #expect(ExitStatus.configurationError.code == 2)
  }

  @Test(
    arguments: [
      (.canRunLinux, 0), (.smallGuestsOnly, 1), (.unavailable, 1),
    ] as [(HostReport.Verdict, Int32)])
  func tellsTheVerdictOfCheck(verdict: HostReport.Verdict, code: Int32) {
    #expect(ExitStatus(verdict).code == code)
  }

  @Test(
    "A line tells isa-debug-exit's statuses from others that are the same, and from no other's",
    arguments: [0, 1, 2, 3, 4, 0x3f, 0x40, 0x47, 0x7f, 0x80, .max] as [UInt32])
  func tellsDebugExitApart(value: UInt32) {
    let outcome = VirtualMachineOutcome.debugExit(value: value)
    let code = ExitStatus(outcome).code
    let others: [VirtualMachineOutcome] = [
      .poweredOff, .reset, .panicked, .halted, .oopsed, .outputLost, .tripleFault, .stoppedByUser,
      .hostFailure(""), .internalError(report: ""),
    ]
    let isAmbiguous = code > 128 || others.contains { ExitStatus($0).code == code }
    #expect(
      outcome.message
        == (isAmbiguous
          ? "the guest wrote \(value) to isa-debug-exit, which makes status \(code)" : nil))
  }

  @Test func explainsWhatWentWrong() {
    #expect(VirtualMachineOutcome.poweredOff.message == nil)
    #expect(VirtualMachineOutcome.stoppedByUser.message == nil)
    #expect(VirtualMachineOutcome.hostFailure("mmap: no memory").message == "mmap: no memory")
    #expect(VirtualMachineOutcome.internalError(report: "a\nb").message == "a\nb")
    #expect(VirtualMachineOutcome.stopped(signal: 15).message == "ended by signal 15")
    #expect(VirtualMachineOutcome.panicked.message != nil)
    #expect(VirtualMachineOutcome.halted.message != nil)
    #expect(VirtualMachineOutcome.oopsed.message != nil)
    #expect(VirtualMachineOutcome.outputLost.message != nil)
    #expect(VirtualMachineOutcome.reset.message != nil)
    #expect(VirtualMachineOutcome.tripleFault.message != nil)
  }
}
