import Glibc
import TestSupport
import Testing

/// Standard streams that are closed, or have no reader: they do not hold a machine up.
@Suite(MicroVM.requirement)
struct StandardStreamTests {
  private static let hello = "run=console mode=msix port=a wait=host send=hello echo=1 end=spin"

  /// A shell that changes the streams, or what is done about signals, before it becomes the program.
  private static func shell(_ words: String) -> [String] {
    ["/bin/sh", "-c", words, "sh"]
  }

  /// Expects a machine that answers, and then ends by SIGTERM.
  private func expectLife(
    of machine: MicroVM, _ location: SourceLocation = #_sourceLocation
  ) throws {
    let qmp = try QMPClient(machine.directory["qmp"])
    #expect(
      qmp.ask("query-status")?.contains("running") == true, sourceLocation: location)
    let end = machine.process.end(by: SIGTERM)
    #expect(end.ending == .exited(143), sourceLocation: location)
    // The last words wait a second for a reader.
    #expect(end.seconds < 3, sourceLocation: location)
  }

  @Test("A terminal on standard error that has stopped holds nothing up")
  func goesOnWithAnUnreadTerminal() throws {
    let pty = UserTerminal()
    let machine = try MicroVM(
      "run=hello end=spin", ports: (1...30).map { "p\($0)" }, options: ["--qmp", "qmp"],
      standardError: pty.terminal.rawValue)
    #expect(machine.says("done"))
    for _ in 1...40 {
      kill(machine.process.pid, SIGUSR1)
      usleep(20_000)
    }
    try expectLife(of: machine)
    withExtendedLifetime(pty) {}
  }

  @Test(
    "Standard output and standard error are backends, each by itself",
    arguments: [("stderr", "fd=1"), ("fd=2", "fd=1")])
  func leadsToEachOfThem(serial: String, port: String) throws {
    let machine = try MicroVM(
      "run=console mode=msix port=a wait=host send=hello", ports: [],
      options: ["--serial", serial, "--virtserialport", "name=a,\(port)"])
    #expect(machine.status() == 0)
    #expect(machine.process.output.contains("hello"))
    #expect(!machine.process.output.contains("port 1"))
    #expect(machine.process.errorOutput.contains("port 1"))
    #expect(!machine.process.errorOutput.contains("hello"))
  }

  @Test("Nor does a pipe that is full to the last byte")
  func endsWithAnUnreadPipe() throws {
    let pipe = Pipe()
    pipe.put(String(repeating: "x", count: 65536))
    let machine = try MicroVM(
      "run=hello end=spin", options: ["--qmp", "qmp", "--stats"],
      standardError: pipe.writing.rawValue)
    #expect(machine.says("done"))
    try expectLife(of: machine)
    withExtendedLifetime(pipe) {}
  }

  @Test(
    "Streams that are closed at the start become nothing else",
    arguments: ["<&-", "2>&-", "<&- >&- 2>&-"])
  func runsWithoutStreams(closed: String) throws {
    let machine = try MicroVM(
      Self.hello, options: ["--qmp", "qmp", "--serial", "none"],
      launcher: Self.shell("exec \"$@\" " + closed))
    let client = try machine.connect()
    #expect(client.line() == "hello")
    try expectLife(of: machine)
  }

  @Test(
    "Nor those of a daemon, which lets go of them",
    arguments: ["<&-", "<&- >&- 2>&-"])
  func runsInTheBackgroundWithoutStreams(closed: String) throws {
    let machine = try MicroVM(
      Self.hello, options: ["--qmp", "qmp", "--daemonize", "--pidfile", "pid"],
      launcher: Self.shell("exec \"$@\" " + closed))
    #expect(machine.status() == 0)
    let pid = try #require(pid_t(machine.directory.text(of: "pid").dropLast()))
    defer { kill(pid, SIGKILL) }
    let client = try machine.connect()
    #expect(client.line() == "hello")
    client.send("poweroff\n")
    #expect(client.line() == "echo poweroff")
  }

  @Test("Signals that are ignored at the start, as nohup(1) has it, stay ignored")
  func ignoresWhatItWasToIgnore() throws {
    let machine = try MicroVM(
      "run=hello end=spin", options: ["--qmp", "qmp"],
      launcher: Self.shell("trap '' HUP INT; exec \"$@\""))
    #expect(machine.says("done"))
    for signal in [SIGHUP, SIGINT] {
      kill(machine.process.pid, signal)
      #expect(machine.process.waitForEnd(seconds: 0.3) == nil)
    }
    try expectLife(of: machine)
  }
}
