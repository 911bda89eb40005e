import Glibc
import TestSupport
import Testing

/// The verbs that are a program's end of a port, and those that press a machine's buttons.
@Suite(MicroVM.requirement)
struct PortVerbTests {
  private static let echo = "run=console mode=msix port=a wait=host send=hello echo=1 end=asked"
  private static let echoes = "run=console mode=msix port=a wait=host send=hello echo=100 end=spin"

  private func machine(_ commandLine: String, options: [String] = []) throws -> MicroVM {
    let vm = try MicroVM(commandLine, options: ["--qmp", "qmp"] + options)
    #expect(waitUntil { vm.directory.entries.contains("qmp") })
    return vm
  }

  @Test("On a terminal, connect passes every key but one, and gives the terminal back")
  func connectsATerminal() throws {
    let vm = try machine(Self.echoes)
    let pty = UserTerminal()
    let before = pty.mode
    let connection = try startVerb(
      ["connect", "a"], in: vm.directory, input: pty.terminal.rawValue)
    #expect(connection.waitForLine("hello"))
    #expect(!pty.isCooked)
    pty.type("one\n")
    #expect(connection.waitForLine("echo one"))
    // A key that would end a program at any other terminal.
    pty.type("\u{3}\n")
    #expect(connection.waitForLine("echo \u{3}"))
    pty.type("\u{1d}")
    #expect(connection.waitForEnd() == .exited(0))
    #expect(connection.errorOutput == "swiftvm: connected; Ctrl-] ends it\n\n")
    #expect(pty.isCooked)
    #expect(pty.mode.c_lflag == before.c_lflag)
    #expect(pty.mode.c_iflag == before.c_iflag)
  }

  @Test("Ctrl-] ends a connection to a guest that reads nothing", .timeLimit(.minutes(2)))
  func endsWithAGuestThatDoesNotRead() throws {
    let vm = try machine("run=hello end=spin")
    let pty = UserTerminal()
    let connection = try startVerb(
      ["connect", "a"], in: vm.directory, input: pty.terminal.rawValue)
    #expect(waitUntil { !pty.isCooked })
    // More than sockets hold.
    let line = String(repeating: "x", count: 1000)
    for _ in 1...400 { #expect(waitUntil { pty.type(line) }) }
    #expect(waitUntil { pty.type("\u{1d}") })
    #expect(connection.waitForEnd() == .exited(0))
    #expect(pty.isCooked)
  }

  @Test("Without a terminal, connect passes all of the input, and shows what comes in between")
  func connectsAPipe() throws {
    let vm = try machine(Self.echo)
    let pipe = Pipe()
    let connection = try startVerb(
      ["connect", "a"], in: vm.directory, input: pipe.reading.rawValue)
    #expect(connection.waitForLine("hello"))
    // Typed, this key would end it.
    pipe.put("a\u{1d}b\n")
    #expect(connection.waitForLine("echo a\u{1d}b"))
    _ = consume pipe
    #expect(connection.waitForEnd() == .exited(0))
    #expect(connection.errorOutput == "")
  }

  @Test("send - sends the input as it is, and waits for one that does not block")
  func sendsItsInput() throws {
    let vm = try machine(Self.echo)
    let pipe = Pipe(O_NONBLOCK)
    let sending = try startVerb(
      ["send", "a", "-"], in: vm.directory, input: pipe.reading.rawValue)
    #expect(sending.waitForEnd(seconds: 0.3) == nil)
    pipe.put("power")
    #expect(sending.waitForEnd(seconds: 0.1) == nil)
    pipe.put("off\n")
    _ = consume pipe
    #expect(sending.waitForEnd() == .exited(0))
    // The guest ends once a client takes its answer, which need not be this one.
    _ = try verb("recv", "a", "--timeout", "20", in: vm.directory)
    #expect(vm.status() == 0)
  }

  @Test func pressesTheButtons() throws {
    let vm = try machine("run=hello end=spin")
    #expect(vm.says("done"))
    let qmp = try QMPClient(vm.directory["qmp"])
    #expect(try verb("powerdown", in: vm.directory) == (0, ""))
    #expect(qmp.event("POWERDOWN") != nil)
    #expect(try verb("reset", in: vm.directory) == (0, ""))
    #expect(qmp.event("RESET")?.contains("host-qmp-system-reset") == true)
    #expect(waitUntil { vm.lines.count { $0 == "done" } == 2 })
  }

  @Test func plugsAConsole() throws {
    let vm = try machine(Self.echoes)
    #expect(try verb("wait-open", "a", "--timeout", "20", in: vm.directory) == (0, ""))
    #expect(
      try verb("plug", "--console", "socket=c,id=pc", in: vm.directory) == (0, ""))
    #expect(vm.directory.entries.contains("c"))
    let table = try verb("ports", in: vm.directory).output.split(separator: "\n")
    #expect(table.last?.contains("console  pc") == true)
  }
}
