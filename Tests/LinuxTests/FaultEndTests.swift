import Glibc
import TestSupport
import Testing

/// What the status tells of kernels that break down, and of guests that halt.
extension StockGuestTests.EndTests {
  @Test(
    "A panic is status 7 without any driver for it, and the log has all the kernel said",
    arguments: ["ttyS0", "hvc0"])
  func panicEndsTheMachine(console: String) throws {
    let guest = try Guest(
      Guest.Options(
        action: "crash",
        arguments: ["--no-reboot"] + (console == "hvc0" ? ["--virtconsole", "stdio"] : [])))
    #expect(try guest.awaitEnd() == .exited(7))
    #expect(guest.console.contains("Kernel panic - not syncing: sysrq triggered crash"))
    #expect(guest.messages.hasSuffix("swiftvm: the guest panicked\n"))
  }

  @Test("panic=shutdown ends a guest that would hang, once its kernel has said all")
  func panicDeviceEndsTheMachine() throws {
    let guest = try Guest(
      Guest.Options(
        action: "crash", arguments: ["-device", "pvpanic", "-action", "panic=shutdown"]))
    #expect(try guest.awaitEnd() == .exited(7))
    #expect(
      guest.console.contains("---[ end Kernel panic - not syncing: sysrq triggered crash ]---"))
    #expect(guest.messages.contains("the guest panicked"))
  }

  @Test("A guest that powers off after an oops has status 10")
  func oopsIsTold() throws {
    var options = Guest.Options()
    options.mayWarn = true
    let guest = try Guest(options)
    try guest.awaitAgent()
    // The stock kernel has nothing that breaks it and lets it live: its words, by its own way.
    try guest.agent.run("echo '<1>invalid opcode: 0000 [#1] PREEMPT SMP NOPTI' >/dev/kmsg")
    #expect(try guest.powerOff() == .exited(10))
    #expect(guest.messages.hasSuffix("had an oops before the guest ended\n"))
  }

  @Test("halt -f ends the machine with a status of its own", arguments: [1, 2])
  func haltEndsTheMachine(cpus: Int) throws {
    let guest = try Guest(Guest.Options(arguments: ["--no-reboot", "--cpus", "\(cpus)"]))
    try guest.awaitAgent()
    try guest.agent.say("halt -f")
    #expect(try guest.awaitEnd(seconds: 30) == .exited(8))
    #expect(guest.console.contains("reboot: System halted"))
    #expect(guest.messages.hasSuffix("nothing could wake them\n"))
    #expect(guest.sockets == [])
  }

  @Test(
    "Without --no-reboot a line tells of it, and the machine stays; an idle one is left alone",
    arguments: [["--cpus", "2"], ["--virtconsole", "stdio"]])
  func haltIsTold(arguments: [String]) throws {
    let guest = try Guest(Guest.Options(arguments: arguments))
    try guest.awaitAgent()
    usleep(3_000_000)
    #expect(guest.messages == "")
    try guest.agent.say("halt -f")
    try Deadline(seconds: 30).wait(
      until: { guest.messages.contains("every CPU of the guest has halted") }, "the line")
    #expect(guest.process.isRunning)
    guest.process.signal(SIGTERM)
    #expect(try guest.awaitEnd(seconds: 30) == .exited(143))
  }

  @Test("--on-sigterm powerdown lets the guest shut down")
  func signalPressesThePowerButton() throws {
    let guest = try Guest(Guest.Options(arguments: ["--on-sigterm", "powerdown"]))
    try guest.awaitAgent()
    try guest.startPowerButtonDaemon()
    guest.process.signal(SIGTERM)
    #expect(try guest.awaitEnd(seconds: 60) == .exited(0))
    #expect(guest.console.contains("reboot: Power down"))
  }

  @Test(
    "What init and scripts print first comes out where the kernel's console is, of a module or not",
    arguments: [[], ["--virtconsole", "file=/dev/null"]])
  func firstWordsReachTheConsole(others: [String]) throws {
    let guest = try Guest(
      Guest.Options(
        action: "poweroff", append: "", arguments: others + ["--virtconsole", "stdio"]))
    #expect(try guest.awaitEnd() == .exited(0))
    #expect(guest.console.contains("init: poweroff, "))
  }
}
