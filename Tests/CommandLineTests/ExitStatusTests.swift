import SwiftVM
import Testing
import swiftvm_cli

@Suite
struct ExitStatusTests {
  @Test(
    arguments: [
      (.poweredOff, 0), (.hostFailure("x"), 1), (.reset, 3), (.tripleFault, 4),
      (.internalError(report: "x"), 5), (.stoppedByUser, 6), (.stopped(signal: 2), 130),
      (.stopped(signal: 15), 143),
      (.panicked, 7), (.debugExit(value: 0), 1), (.debugExit(value: 0x10), 33),
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

  @Test func explainsWhatWentWrong() {
    #expect(VirtualMachineOutcome.poweredOff.message == nil)
    #expect(VirtualMachineOutcome.stoppedByUser.message == nil)
    #expect(VirtualMachineOutcome.hostFailure("mmap: no memory").message == "mmap: no memory")
    #expect(VirtualMachineOutcome.internalError(report: "a\nb").message == "a\nb")
    #expect(VirtualMachineOutcome.stopped(signal: 15).message == "ended by signal 15")
    #expect(VirtualMachineOutcome.debugExit(value: 1).message == nil)
    #expect(VirtualMachineOutcome.panicked.message != nil)
    #expect(VirtualMachineOutcome.reset.message != nil)
    #expect(VirtualMachineOutcome.tripleFault.message != nil)
  }
}
