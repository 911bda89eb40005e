import Glibc
import TestSupport
import Testing

/// Guests whose processors have all halted for good.
@Suite(MicroVM.requirement)
struct HaltTests {
  private static let warning =
    "swiftvm: warning: every CPU of the guest has halted with interrupts off, and nothing can wake"
    + " them; reset or end the machine (with --no-reboot it ends by itself, with status 8)\n"

  @Test(
    "With --no-reboot the machine ends with a status of its own",
    arguments: ["run=hello", "run=processors processors=4"])
  func endsTheMachine(run: String) throws {
    let machine = try MicroVM("\(run) end=halt", options: ["--no-reboot", "--cpus", "4"])
    #expect(machine.status() == 8)
    #expect(
      machine.process.errorOutput
        == "swiftvm: every CPU of the guest halted with interrupts off, and nothing could wake them\n"
    )
    #expect(machine.lines.last == "done")
    #expect(machine.directory.entries == [])
  }

  @Test("Without it one line tells, and from then on nothing is done for such a guest")
  func tellsOnce() throws {
    let machine = try MicroVM("run=hello end=halt", options: ["--cpus", "2"])
    #expect(waitUntil { machine.process.errorOutput == Self.warning })
    let status = ProcessStatus(of: machine.process.pid)
    let before = status.sleeps
    sleep(3)
    #expect(status.sleeps == before)
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
    #expect(machine.process.errorOutput == Self.warning + "swiftvm: ended by signal 15\n")
  }

  @Test(
    "A guest that sleeps with interrupts on lives, and is left alone",
    arguments: [[], ["--no-reboot"]])
  func leavesSleepersAlone(options: [String]) throws {
    let machine = try MicroVM("run=wait-interrupt", options: options)
    #expect(machine.says("waiting"))
    // Longer than any guest's silence before it is looked at.
    sleep(2)
    let status = ProcessStatus(of: machine.process.pid)
    let before = status.sleeps
    sleep(3)
    // With --no-reboot up to two looks, each of which wakes two threads a few times.
    #expect(status.sleeps - before <= (options.isEmpty ? 0 : 12))
    #expect(machine.process.waitForEnd(seconds: 0) == nil)
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
    #expect(machine.process.errorOutput == "swiftvm: ended by signal 15\n")
  }

  @Test("A guest that works without a word is none that has halted")
  func leavesWorkersAlone() throws {
    let machine = try MicroVM("run=hello end=spin", options: ["--no-reboot"])
    #expect(machine.says("done"))
    #expect(machine.process.waitForEnd(seconds: 3) == nil)
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
  }
}
