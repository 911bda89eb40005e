import Glibc
import TestSupport
import Testing

extension StockGuestTests {
  /// The serial console on a terminal.
  @Suite struct ConsoleTests {
    private func start(on terminal: UserTerminal) throws -> Guest {
      try Guest(Guest.Options(action: "shell", terminal: terminal.path))
    }

    @Test func shellIsInteractiveAndEscapeKeyEnds() throws {
      let terminal = UserTerminal()
      let before = terminal.settings
      try #require(!terminal.isRaw)
      let guest = try start(on: terminal)
      try terminal.awaitText("# ", seconds: Guest.bootLimit)
      #expect(terminal.isRaw)
      terminal.type("echo $((6*7))\r")
      try terminal.awaitText("\n42", seconds: 60)
      try terminal.awaitText("# ", seconds: 60)
      // Ctrl-C is the guest's, and what it interrupts there ends.
      terminal.type("echo wait; cat\r")
      try terminal.awaitText("\nwait", seconds: 60)
      terminal.type("\u{3}")
      try terminal.awaitText("# ", seconds: 60)
      terminal.type("\u{1}x")
      #expect(try guest.awaitEnd(seconds: 30) == .exited(6))
      #expect(terminal.settings == before)
    }

    @Test func terminalIsRestoredAfterSIGTERM() throws {
      let terminal = UserTerminal()
      let before = terminal.settings
      let guest = try start(on: terminal)
      try terminal.awaitText("# ", seconds: Guest.bootLimit)
      #expect(terminal.isRaw)
      guest.process.signal(SIGTERM)
      #expect(try guest.awaitEnd(seconds: 30) == .exited(143))
      #expect(terminal.settings == before)
    }
  }
}
