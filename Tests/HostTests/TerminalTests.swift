import CKVM
import Glibc
import Host
import TestSupport
import Testing

/// One terminal at a time can be raw in a process, hence one test after another.
@Suite(.serialized) struct TerminalTests {
  @Test func passesEveryKeyAndRestoresTheModeAtTheEnd() throws {
    let pty = UserTerminal()
    #expect(pty.isCooked)
    do {
      let terminal = try Terminal(rawModeOn: pty.terminal.rawValue)
      #expect(!pty.isCooked)
      // Ctrl-C, Ctrl-Z, Ctrl-S, return: bytes like any other.
      let keys: [UInt8] = [0x03, 0x1A, 0x13, 0x0D]
      #expect(write(pty.controller.rawValue, keys, 4) == 4)
      var read = [UInt8](repeating: 0, count: 8)
      #expect(Glibc.read(pty.terminal.rawValue, &read, 8) == 4)
      #expect(Array(read.prefix(4)) == keys)
      terminal.reapply()
    }
    #expect(pty.isCooked)
  }

  @Test func becomesRawAgainAfterAShellChangedIt() throws {
    let pty = UserTerminal()
    let cooked = pty.mode
    let terminal = try Terminal(rawModeOn: pty.terminal.rawValue)
    var shells = cooked
    tcsetattr(pty.terminal.rawValue, TCSANOW, &shells)
    #expect(pty.isCooked)
    terminal.reapply()
    #expect(!pty.isCooked)
  }

  @Test func refusesWhatIsNoTerminalAndASecondOne() throws {
    let pipe = Pipe()
    let number = pipe.reading.rawValue
    #expect(!Terminal.isTerminal(number))
    #expect(throws: SystemError("tcgetattr", errno: ENOTTY)) {
      _ = try Terminal(rawModeOn: number)
    }
    let pty = UserTerminal()
    #expect(Terminal.isTerminal(pty.terminal.rawValue))
    let first = try Terminal(rawModeOn: pty.terminal.rawValue)
    let second = pty.terminal.rawValue
    #expect(throws: SystemError("tcsetattr", errno: EBUSY)) { _ = try Terminal(rawModeOn: second) }
    first.reapply()
  }

  @Test func knowsTheSizeOfTheWindow() {
    let pty = UserTerminal()
    #expect(Terminal.size(of: pty.terminal.rawValue) == nil)
    var size = winsize(ws_row: 25, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0)
    #expect(ioctl(pty.controller.rawValue, UInt(TIOCSWINSZ), &size) == 0)
    #expect(Terminal.size(of: pty.terminal.rawValue) == Terminal.Size(columns: 80, rows: 25))
  }

  @Test func isRestoredByExit() async {
    let pty = UserTerminal()
    await #expect(processExitsWith: .exitCode(3)) { [path = pty.path as String] in
      leaveRaw(path) { exit(3) }
    }
    #expect(pty.isCooked)
  }

  @Test(arguments: [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGSEGV, SIGABRT])
  func isRestoredByASignalThatEndsTheProcess(_ signal: Int32) async {
    let pty = UserTerminal()
    await #expect(processExitsWith: .signal(signal)) {
      [path = pty.path as String, signal = signal as Int32] in
      leaveRaw(path) { kill(getpid(), signal) }
      while true { pause() }
    }
    #expect(pty.isCooked)
  }

  @Test func isRestoredByATrap() async {
    let pty = UserTerminal()
    await #expect(processExitsWith: .failure) { [path = pty.path as String] in
      leaveRaw(path) { fatalError("trap") }
    }
    #expect(pty.isCooked)
  }

  @Test func leavesASignalIgnoredThatWasIgnored() async {
    let pty = UserTerminal()
    await #expect(processExitsWith: .exitCode(0)) { [path = pty.path as String] in
      signal(SIGHUP, SIG_IGN)
      leaveRaw(path) {
        raise(SIGHUP)
        exit(isRaw(path) ? 0 : 1)
      }
    }
    #expect(pty.isCooked)
  }
}

/// Runs `body` while the terminal at `path` is in raw mode, in a process of its own.
private func leaveRaw(_ path: String, _ body: () -> Void) {
  guard let terminal = try? Terminal(rawModeOn: open(path, O_RDWR | O_NOCTTY)), isRaw(path) else {
    exit(99)
  }
  body()
  terminal.reapply()
}

private func isRaw(_ path: String) -> Bool {
  var mode = termios()
  tcgetattr(open(path, O_RDWR | O_NOCTTY), &mode)
  return mode.c_lflag & tcflag_t(ICANON) == 0
}
