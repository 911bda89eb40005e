import Glibc
import TestSupport
import Testing

/// Machines in the background, and files that hold their process's number.
@Suite(MicroVM.requirement)
struct DaemonTests {
  /// The number that a file holds.
  private func number(in directory: TemporaryDirectory) throws -> pid_t {
    let text = directory.text(of: "pid")
    #expect(text.hasSuffix("\n"))
    return try #require(pid_t(text.dropLast()))
  }

  @Test func goesToTheBackgroundOnceTheGuestRuns() throws {
    let machine = try MicroVM(
      "run=console mode=msix port=a wait=host send=hello echo=1 end=spin",
      options: ["-daemonize", "-pidfile", "pid", "-serial", "file:log"])
    #expect(machine.status() == 0)
    let pid = try number(in: machine.directory)
    defer { kill(pid, SIGKILL) }
    #expect(pid != machine.process.pid)
    let client = try machine.connect()
    #expect(client.line() == "hello")
    #expect(kill(pid, SIGTERM) == 0)
    #expect(client.isAtEnd)
    #expect(waitUntil { machine.directory.entries == ["log"] })
    #expect(machine.process.output == "")
  }

  @Test("An error before the guest runs is told as ever, with its status")
  func tellsErrorsBefore() throws {
    let directory = try TemporaryDirectory()
    try directory.makeFile("text", bytes: Array("no kernel".utf8))
    let words = ["run", "--kernel", "text", "--daemonize", "--virtserialport", "name=a,socket=a"]
    let program = try RunningProgram(swiftvm: words, in: directory)
    #expect(program.waitForEnd() == .exited(2))
    #expect(program.errorOutput.hasPrefix("swiftvm: --kernel text: "))
    #expect(directory.entries == ["text"])
  }

  @Test("A file that a running process holds stays its own; it goes with the process")
  func leavesAFileInUseAlone() throws {
    let first = try MicroVM("run=hello end=spin", options: ["--pidfile", "pid"])
    #expect(first.says("done"))
    #expect(try number(in: first.directory) == first.process.pid)
    let second = try MicroVM(
      "run=hello", ports: ["b"], options: ["--pidfile", "pid"], in: first.directory)
    #expect(second.status() == 2)
    #expect(
      second.process.errorOutput
        == "swiftvm: --pidfile pid: a running process holds this file; give another path\n")
    #expect(first.directory.entries == ["a", "pid"])
    #expect(first.process.end(by: SIGTERM).ending == .exited(143))
    #expect(first.directory.entries == [])
  }
}
