import TestSupport
import Testing

/// People's commands to a running machine, as programs beside it.
@Suite(MicroVM.requirement)
struct VerbTests {
  private static let echo = "run=console mode=msix port=a wait=host send=hello echo=1 end=asked"

  /// Runs a verb to its end: its status, and what it printed on either stream.
  private func verb(
    _ words: String..., in directory: TemporaryDirectory, control: Bool = true
  ) throws -> (status: Int32?, output: String) {
    let target = control ? ["--control", "qmp"] : []
    let program = try RunningProgram(
      (words + target).map { Array($0.utf8) }, in: directory,
      environment: ["XDG_RUNTIME_DIR=" + directory.path])
    let ending = program.waitForEnd(seconds: 30)
    var status: Int32?
    if case .exited(let code) = ending { status = code }
    return (status, program.output + program.errorOutput)
  }

  @Test("From the first port to the end, by verbs alone")
  func controlsAMachine() throws {
    let vm = try MicroVM(Self.echo, options: ["--qmp", "qmp"])
    let directory = vm.directory
    // The socket is there before the first instruction.
    #expect(waitUntil { directory.entries.contains("qmp") })
    #expect(
      try verb("recv", "a", "--lines", "1", "--timeout", "20", in: directory) == (0, "hello\n"))
    #expect(try verb("wait-open", "a", "--timeout", "20", in: directory) == (0, ""))
    let table = try verb("ports", in: directory).output.split(separator: "\n")
    #expect(table.count == 2)
    #expect(table.first?.contains("to host") == true)
    #expect(table.last?.contains("channel  -   a     open") == true)
    #expect(try verb("pause", in: directory) == (0, ""))
    #expect(try verb("resume", in: directory) == (0, ""))
    #expect(try verb("plug", "name=b,socket=b,id=pb", in: directory) == (0, ""))
    #expect(waitUntil { directory.entries.contains("b") })
    let again = try verb("plug", "name=b,socket=c,id=pc", in: directory)
    #expect(again.status == 1)
    #expect(again.output.contains("plug: --virtserialport name=b: A port already exists by name b"))
    #expect(try verb("unplug", "pb", in: directory) == (0, ""))
    #expect(!directory.entries.contains("b"))
    let gone = try verb("unplug", "pb", in: directory)
    #expect(gone == (1, "swiftvm: unplug: Device 'pb' not found\n"))
    #expect(try verb("send", "a", "poweroff", in: directory) == (0, ""))
    // The guest ends once somebody takes its answer.
    #expect(
      try verb("recv", "a", "--lines", "1", "--timeout", "20", in: directory)
        == (0, "echo poweroff\n"))
    #expect(vm.status() == 0)
    let after = try verb("ports", in: directory)
    #expect(after.status == 1)
    #expect(after.output.contains("is the machine running?"))
  }

  @Test("A ring buffer is followed: what it holds, what comes, its end")
  func followsARingBuffer() throws {
    let vm = try MicroVM(
      "run=console mode=msix port=a send=hello end=halt", ports: [],
      options: ["--qmp", "qmp", "--virtserialport", "name=a,ringbuf,chardev-id=ring"])
    let directory = vm.directory
    #expect(vm.says("done"))
    for _ in 1...2 {
      #expect(
        try verb("recv", "a", "--lines", "1", "--timeout", "20", in: directory) == (0, "hello\n"))
    }
    let follower = try RunningProgram(
      ["recv", "a", "--control", "qmp"].map { Array($0.utf8) }, in: directory)
    #expect(waitUntil { follower.output == "hello\n" })
    let qmp = try QMPClient(directory["qmp"])
    #expect(qmp.ask("ringbuf-write", #"{"device":"ring","data":"more\n"}"#) == "{}")
    #expect(waitUntil { follower.output == "hello\nmore\n" })
    #expect(qmp.ask("quit") == "{}")
    #expect(follower.waitForEnd(seconds: 20) == .exited(0))
  }

  @Test("A machine with a name is found by it, and by nothing where it is alone")
  func findsAMachineByItsName() throws {
    let directory = try TemporaryDirectory()
    let none = try verb("ports", in: directory, control: false)
    #expect(none.status == 1)
    #expect(none.output.contains("no machine is running that was started with --name"))
    let words = [
      "run", "--kernel", MicroVM.kernelPath, "--memory", "16M", "--append", "run=hello end=spin",
      "--name", "vm1", "--virtserialport", "name=a,socket=a", "--serial", "none",
    ]
    let machine = try RunningProgram(
      words.map { Array($0.utf8) }, in: directory,
      environment: ["XDG_RUNTIME_DIR=" + directory.path])
    #expect(
      try waitUntil {
        try verb("list", in: directory, control: false) == (0, "vm1\n")
      })
    #expect(try verb("ports", "--vm", "vm1", in: directory, control: false).status == 0)
    #expect(try verb("ports", in: directory, control: false).status == 0)
    let other = try verb("ports", "--vm", "vm2", in: directory, control: false)
    #expect(other == (1, "swiftvm: ports: no machine named 'vm2' is running; see swiftvm list\n"))
    let late = try verb(
      "wait-open", "a", "--timeout", "0", in: directory, control: false)
    #expect(
      late == (
        1, "swiftvm: wait-open: the guest has not opened port 'a' within the timeout\n"
      ))
    #expect(try verb("stop", in: directory, control: false) == (0, ""))
    #expect(machine.waitForEnd(seconds: 30) == .exited(6))
    #expect(try verb("list", in: directory, control: false) == (0, ""))
  }
}
