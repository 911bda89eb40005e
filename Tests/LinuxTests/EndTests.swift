import Glibc
import TestSupport
import Testing

extension StockGuestTests {
  /// How machines end, and what the executable's exit status says of it.
  @Suite struct EndTests {
    private static let port = "org.fedoraproject.port.0"

    /// The keyboard controller, a triple fault, ACPI's reset register, the reset control register, the
    /// BIOS' entry in real mode, and EFI's service, in whose place Linux takes the BIOS' entry.
    @Test(arguments: [("k", Int32(3)), ("t", 4), ("a", 3), ("p", 3), ("b", 3), ("e", 3)])
    func resetEndsTheMachine(method: String, status: Int32) throws {
      let guest = try Guest(
        Guest.Options(
          action: "reboot", ports: [Self.port], append: "quiet reboot=\(method)",
          arguments: ["--no-reboot"]))
      #expect(try guest.awaitEnd() == .exited(status))
      #expect(guest.console.contains("init: reboot"))
      #expect(guest.messages.contains(status == 4 ? "triple fault" : "reset"))
      #expect(guest.sockets == [])
    }

    /// Every test of a guest fails where its kernel is tainted, as a warning or an oops taints it.
    @Test func taintedKernelFailsItsTest() throws {
      let guest = try Guest()
      try guest.awaitAgent()
      #expect(guest.complaints == [])
      let warning = 512
      try guest.agent.say("echo \(warning) >/proc/sys/kernel/tainted")
      try Deadline(seconds: 60).wait(
        until: { guest.complaints.contains { $0.contains("end Kernel panic") } },
        "the kernel's panic")
      withKnownIssue { guest.checkKernel() }
    }

    /// The same clients talk to the guest before and after; then SIGTERM ends it.
    @Test func resetBootsAgainWithTheSameClients() throws {
      let guest = try Guest(Guest.Options(ports: [Self.port]))
      try guest.awaitAgent()
      let agent = try guest.agent
      let client = try guest.connect(Self.port)
      try checkEcho(agent, client)
      for (count, method) in ["acpi", "triple", "kbd"].enumerated() {
        let life = try agent.run("cat /proc/sys/kernel/random/boot_id")
        try agent.run("echo \(method) >/sys/kernel/reboot/type")
        try agent.say("reboot -f")
        try Deadline(seconds: Guest.bootLimit).wait(
          until: { guest.count(of: "init: agent") == count + 2 }, "the guest's next boot")
        try guest.awaitAgent()
        #expect(try agent.run("cat /proc/sys/kernel/random/boot_id") != life)
        try checkEcho(agent, client)
      }
      try checkSignal(SIGTERM, status: 143, guest)
    }

    private func checkEcho(_ agent: Agent, _ client: SocketClient) throws {
      try agent.start("echo", "vport echo /dev/virtio-ports/\(Self.port) 6")
      try client.sendAll("hello\n")
      #expect(try client.receiveLine() == "hello")
      try agent.finish("echo")
    }

    /// In the middle of the guest's boot.
    @Test func interruptEndsTheMachine() throws {
      let guest = try Guest(Guest.Options(ports: [Self.port]))
      let client = try guest.connect(Self.port)
      try guest.awaitAgent()
      try checkSignal(SIGINT, status: 130, guest)
      #expect(try client.receiveToEnd().isEmpty)
    }

    private func checkSignal(_ signal: Int32, status: Int32, _ guest: Guest) throws {
      let start = monotonicSeconds()
      guest.process.signal(signal)
      #expect(try guest.awaitEnd(seconds: 30) == .exited(status))
      let seconds = monotonicSeconds() - start
      print("figure: ended \(seconds) s after signal \(signal)")
      #expect(seconds < 1)
      #expect(guest.sockets == [])
    }
  }
}
