import TestSupport
import Testing

extension StockGuestTests {
  /// Programs that start or end their guest, or see it end.
  @Suite(
    .enabled(if: ProgramImage.obstacle == nil, Comment(rawValue: ProgramImage.obstacle ?? "")))
  struct ProgramEndTests {
    @Test func guestAgentPowersOff() throws {
      let guest = try Guest(
        Guest.Options(
          action: "qemu-ga", ports: [ProgramPort.guestAgent], hasPrograms: true))
      // Sent before the guest has booted.
      let client = QEMUGuestAgent(try guest.connect(ProgramPort.guestAgent))
      try client.synchronize(1, seconds: Guest.bootLimit)
      try client.say("guest-shutdown")
      #expect(try guest.awaitEnd(seconds: 60) == .exited(0))
      #expect(guest.console.contains("hypervisor initiated shutdown"))
    }

    /// From the kernel's first line to the last one before the panic; the last ones are read after it.
    @Test func installersLogIsCompleteAfterAPanic() throws {
      let lines = 2000, readBefore = 1700
      let port = "org.fedoraproject.anaconda.log.0"
      let guest = try Guest(
        Guest.Options(
          action: "installer", ports: [port], append: "quiet swiftvm.lines=\(lines)",
          arguments: ["--no-reboot"], hasPrograms: true))
      let client = try guest.connect(port)
      var log: [String] = []
      repeat {
        log.append(try client.receiveLine(seconds: Guest.bootLimit))
      } while log.last?.hasSuffix(": step \(readBefore)") != true
      try Deadline(seconds: 120).wait(
        until: { guest.console.contains("Kernel panic") }, "the panic")
      let rest = String(decoding: try client.receiveToEnd(), as: UTF8.self)
      #expect(rest.hasSuffix("\n"))
      log += rest.split(separator: "\n").map(String.init)
      #expect(try guest.awaitEnd() == .exited(7))

      #expect(log.contains { $0.contains(" kernel:") && $0.contains("Linux version") })
      let steps = log.filter { $0.contains(" installer: step ") }
      #expect(steps == (1...lines).map { "NOTICE installer: step \($0)" })
    }
  }
}
