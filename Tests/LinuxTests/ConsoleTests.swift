import Glibc
import Testing

extension StockGuestTests {
  /// The serial console on a terminal.
  @Suite struct ConsoleTests {
    private func start(on terminal: PseudoTerminal) throws -> Guest {
      try Guest(Guest.Options(action: "shell", terminal: terminal.path))
    }

    @Test func shellIsInteractiveAndEscapeKeyEnds() throws {
      let terminal = try PseudoTerminal()
      let before = terminal.mode
      try #require(!before.isRaw)
      let guest = try start(on: terminal)
      try terminal.awaitText("# ", seconds: Guest.bootLimit)
      #expect(terminal.mode.isRaw)
      try terminal.type("echo $((6*7))\r")
      try terminal.awaitText("\n42", seconds: 60)
      try terminal.awaitText("# ", seconds: 60)
      // Ctrl-C is the guest's, and what it interrupts there ends.
      try terminal.type("echo wait; cat\r")
      try terminal.awaitText("\nwait", seconds: 60)
      try terminal.type("\u{3}")
      try terminal.awaitText("# ", seconds: 60)
      try terminal.type("\u{1}x")
      #expect(try guest.awaitEnd(seconds: 30) == .exit(6))
      #expect(terminal.mode == before)
    }

    @Test func terminalIsRestoredAfterSIGTERM() throws {
      let terminal = try PseudoTerminal()
      let before = terminal.mode
      let guest = try start(on: terminal)
      try terminal.awaitText("# ", seconds: Guest.bootLimit)
      #expect(terminal.mode.isRaw)
      guest.process.signal(SIGTERM)
      #expect(try guest.awaitEnd(seconds: 30) == .exit(143))
      #expect(terminal.mode == before)
    }
  }
}
