import TestSupport
import Testing

/// People's commands to a running machine, as programs beside it.
@Suite(MicroVM.requirement)
struct VerbTests {
  private static let echo = "run=console mode=msix port=a wait=host send=hello echo=1 end=asked"

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
    #expect(table.count == 3)
    #expect(table.first?.contains("to host") == true)
    #expect(table.dropFirst().first?.hasPrefix("serial ") == true)
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
    // The guest ends once a client takes its answer.
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
    let follower = try startVerb(["recv", "a"], in: directory)
    #expect(waitUntil { follower.output == "hello\n" })
    let qmp = try QMPClient(directory["qmp"])
    #expect(qmp.ask("ringbuf-write", #"{"device":"ring","data":"more\n"}"#) == "{}")
    #expect(waitUntil { follower.output == "hello\nmore\n" })
    #expect(qmp.ask("quit") == "{}")
    #expect(follower.waitForEnd(seconds: 20) == .exited(0))
  }
}
