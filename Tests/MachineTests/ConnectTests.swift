import Glibc
import TestSupport
import Testing

/// Clients that a machine makes for its control socket's own: `connect`, `send` and `recv`.
@Suite(MicroVM.requirement)
struct ConnectTests {
  /// A guest that echoes so many lines of port `a`, and then does what the last one says.
  private func machine(_ options: String..., lines: Int = 2) throws -> MicroVM {
    let vm = try MicroVM(
      "run=console mode=msix port=a wait=host echo=\(lines) end=asked", ports: [],
      options: ["--qmp", "qmp"] + options.flatMap { ["--virtserialport", $0] })
    #expect(waitUntil { vm.directory.entries.contains("qmp") })
    return vm
  }

  @Test("A port for one client that has one refuses others by name, and the one stays")
  func refusesWhereAClientIs() throws {
    let vm = try machine("name=a,socket=a")
    let client = try vm.connect()
    client.send("first\n")
    #expect(client.line() == "echo first")
    for words in [["send", "a", "x"], ["recv", "a", "--lines", "1"], ["connect", "a"]] {
      let refused = try startVerb(words, in: vm.directory).result()
      #expect(refused.status == 1)
      #expect(refused.allOutput.contains("a client is there already"))
    }
    client.send("poweroff\n")
    #expect(client.line() == "echo poweroff")
    #expect(vm.status() == 0)
  }

  @Test("To a port that the guest has not opened many may send and leave, and no more than a bound")
  func boundsThoseWhoSendAndLeave() throws {
    let vm = try machine("name=a,socket=a", "name=b,socket=b")
    #expect(vm.says("port 1 opened"))
    var refusal: String?
    var sent = 0
    while refusal == nil, sent < 60 {
      let result = try verb("send", "b", "\(sent)", in: vm.directory)
      if result.status == 0 { sent += 1 } else { refusal = result.output }
    }
    #expect((20..<60).contains(sent))
    #expect(refusal?.contains("the guest has not read what others left") == true)
    #expect(try verb("stop", in: vm.directory).status == 0)
    #expect(vm.status() == 6)
  }

  @Test("One more client of a broadcasting port is served beside the others")
  func joinsABroadcast() throws {
    let vm = try machine("name=a,socket=a,clients=broadcast")
    let first = try vm.connect()
    let second = try vm.connect()
    #expect(vm.says("port 1 opened"))
    #expect(try verb("send", "a", "to all", in: vm.directory) == (0, ""))
    #expect(first.line() == "echo to all")
    #expect(second.line() == "echo to all")
    #expect(try verb("send", "a", "poweroff", in: vm.directory) == (0, ""))
    #expect(first.line() == "echo poweroff")
    #expect(vm.status() == 0)
  }

  @Test("Who may use the control socket reaches a port whose own socket is not for this user")
  func passesByTheListOfUsers() throws {
    let vm = try machine("name=a,socket=a,allow-uid=\(getuid() + 1)", lines: 1)
    #expect(try vm.connect().isAtEnd)
    #expect(try verb("send", "a", "poweroff", in: vm.directory) == (0, ""))
    #expect(
      try verb("recv", "a", "--lines", "1", "--timeout", "20", in: vm.directory) == (
        0, "echo poweroff\n"
      ))
    #expect(vm.status() == 0)
  }

  @Test("A port of packets")
  func sendsPackets() throws {
    let vm = try machine("name=a,socket=a,seqpacket")
    for word in ["one", "poweroff"] {
      #expect(try verb("send", "a", word, in: vm.directory) == (0, ""))
      #expect(
        try verb("recv", "a", "--lines", "1", "--timeout", "20", in: vm.directory)
          == (0, "echo \(word)\n"))
    }
    #expect(vm.status() == 0)
  }
}
