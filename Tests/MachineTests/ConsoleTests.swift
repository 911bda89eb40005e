import Glibc
import TestSupport
import Testing

/// The channel between a guest's driver and a client of the socket.
@Suite(MicroVM.requirement)
struct ConsoleTests {
  enum Mode: String, CaseIterable { case poll, msix, intx, pic }

  @Test("Both ways, by every kind of interrupt", arguments: Mode.allCases)
  func exchanges(mode: Mode) throws {
    let machine = try MicroVM("run=console mode=\(mode) port=a wait=host send=hello echo=3")
    let client = try machine.connect()
    #expect(client.line() == "hello")
    for word in ["one", "two", "three"] {
      client.send(word + "\n")
      #expect(client.line() == "echo " + word)
    }
    #expect(machine.status() == 0)
    #expect(client.isAtEnd)
    let interrupts = mode == .poll ? "none" : "came"
    #expect(machine.lines.contains("port 1 closed, interrupts \(interrupts)"))
    #expect(machine.directory.entries == [])
  }

  @Test("The 8259s have the interrupts of PCI, level-triggered, and each device tells its own")
  func exchangesThroughThe8259s() throws {
    let machine = try MicroVM(
      "run=console mode=pic device=1 port=b wait=host send=hello echo=1",
      options: [
        "--virtio-serial", "id=x,addr=0x2", "--virtio-serial", "id=y,addr=0x5",
        "--virtserialport", "name=b,bus=y.0,socket=b",
      ])
    let client = try machine.connect("b")
    #expect(client.line() == "hello")
    client.send("x\n")
    #expect(client.line() == "echo x")
    #expect(machine.status() == 0)
    #expect(machine.lines.contains("8259 level-triggered 0xe20"))
  }

  @Test("The guest is told about its port in the order its driver relies on")
  func keepsTheOrder() throws {
    let machine = try MicroVM(
      "run=console mode=msix port=org.fedoraproject.port.0 wait=host",
      ports: ["org.fedoraproject.port.0"])
    let client = try machine.connect("org.fedoraproject.port.0")
    #expect(machine.status() == 0)
    client.close()
    let steps = [
      "max ports 31", "ready", "port 1 added", "port 1 named org.fedoraproject.port.0",
      "port 1 opened", "port 1 host open",
    ]
    // The client may come before or after the guest opens the port, but after it has its name.
    let lines = machine.lines
    #expect(Set(lines).isSuperset(of: steps))
    let order = steps.compactMap { lines.firstIndex(of: $0) }
    #expect(Array(order[..<5]) == order[..<5].sorted())
    #expect(order[5] > order[3])
  }

  @Test("Bytes sent before the guest looks, and before it boots, are not lost")
  func keepsEarlyBytes() throws {
    let machine = try MicroVM("run=console mode=msix port=a echo=1")
    let client = try machine.connect()
    client.send("early\n")
    #expect(client.line() == "echo early")
    #expect(machine.status() == 0)
  }

  @Test("The same client over three lives of the driver")
  func survivesDriverResets() throws {
    let machine = try MicroVM("run=console mode=msix port=a wait=host send=again echo=1 times=3")
    let client = try machine.connect()
    for number in 1...3 {
      #expect(client.line() == "again")
      client.send("\(number)\n")
      #expect(client.line() == "echo \(number)")
    }
    #expect(machine.status() == 0)
    #expect(machine.lines.count { $0 == "port 1 host open" } == 3)
  }

  @Test("Thirty ports, all announced, each with a socket of its own")
  func hasThirtyPorts() throws {
    let names = (1...30).map { "p\($0)" }
    let machine = try MicroVM(
      "run=console mode=msix port=p30 wait=host send=last echo=1", ports: names)
    let client = try machine.connect("p30")
    #expect(client.line() == "last")
    let other = try machine.connect("p1")
    client.send("x\n")
    #expect(client.line() == "echo x")
    #expect(machine.status() == 0)
    #expect(other.isAtEnd)
    for (index, name) in names.enumerated() {
      #expect(machine.lines.contains("port \(index + 1) named \(name)"))
    }
    #expect(machine.directory.entries == [])
  }

  @Test("A driver without MULTIPORT has no port here, and is not held back by that")
  func takesAPlainDriver() throws {
    let machine = try MicroVM("run=console mode=msix multiport=no send=unread")
    #expect(machine.status() == 0)
    #expect(machine.lines.last == "done")
  }

  enum EmergencyOutput: String, CaseIterable { case serial, file, log, chardev, shared }

  @Test("Emergency writes go where they shall", arguments: EmergencyOutput.allCases)
  func takesEmergencyWrites(output: EmergencyOutput) throws {
    let options: [String] =
      switch output {
      case .serial: []
      case .file: ["--emergency", "file=emergency"]
      case .log: ["--serial", "none"]
      case .chardev:
        ["--emergency", "chardev=e", "-chardev", "socket,path=e,server=on,wait=on,id=e"]
      case .shared:
        [
          "--emergency", "chardev=e", "-chardev", "file,path=emergency,id=e,mux=on", "-serial",
          "chardev:e",
        ]
      }
    let machine = try MicroVM("run=console emergency=yes", options: options)
    switch output {
    case .chardev:
      let client = try machine.connect("e")
      #expect(client.line() == "help!")
      // It has no reader.
      client.send("what is the matter?\n")
    case .shared:
      #expect(waitUntil { machine.directory.text(of: "emergency").contains("help!\n") })
    case .serial: #expect(machine.says("help!"))
    case .file: #expect(waitUntil { machine.directory.text(of: "emergency") == "help!\n" })
    case .log:
      #expect(waitUntil { machine.process.errorOutput.contains("guest, emergency: help!") })
    }
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
  }

  @Test("Where pseudo-terminals are is told, in QEMU's words")
  func tellsOfTerminals() throws {
    let machine = try MicroVM(
      "run=hello end=spin", options: ["--serial", "pty", "--virtconsole", "pty,id=c"])
    #expect(waitUntil { machine.process.errorOutput.split(separator: "\n").count == 2 })
    let lines = machine.process.errorOutput.split(separator: "\n")
    for (line, label) in zip(lines, ["c", "serial0"]) {
      let words = line.split(separator: " ")
      #expect(words.prefix(5) == ["swiftvm:", "char", "device", "redirected", "to"])
      #expect(words.suffix(2) == ["(label", "\(label))"])
      #expect(words.count == 8 && access(String(words[5]), F_OK) == 0)
    }
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
  }

  @Test("Buffers and notifications that come before DRIVER_OK are found after it")
  func looksAtEarlyBuffers() throws {
    let machine = try MicroVM("run=console mode=msix early=yes port=a wait=host send=hi")
    let client = try machine.connect()
    #expect(client.line() == "hi")
    #expect(machine.status() == 0)
  }

  @Test("Notifications follow a BAR that moves under a live device")
  func followsTheBAR() throws {
    let machine = try MicroVM("run=console mode=msix port=a wait=host echo=2 move=yes")
    let client = try machine.connect()
    for word in ["before", "still", "after", "done"] {
      client.send(word + "\n")
      #expect(client.line() == "echo " + word)
    }
    #expect(machine.status() == 0)
    #expect(machine.lines.contains("moved to 0xc0020000"))
  }

  @Test("A masked vector's interrupt waits in the pending bits")
  func masksVectors() throws {
    let machine = try MicroVM("run=masked mode=msix port=a")
    let client = try machine.connect()
    #expect(machine.says("masked"))
    client.send("x")
    #expect(machine.status() == 0)
    #expect(machine.lines.contains("pending 1, interrupts 0"))
    #expect(machine.lines.contains("pending 0, interrupts 1"))
  }

  @Test(
    "A guest that breaks a rule must reset the device, which works again then",
    arguments: ["range", "loop", "index", "indirect"])
  func survivesBadChains(kind: String) throws {
    let machine = try MicroVM(
      "run=bad-chain,console bad=\(kind) queue=5 mode=msix port=a wait=host send=fine")
    let client = try machine.connect()
    #expect(client.line() == "fine")
    #expect(machine.status() == 0)
    #expect(machine.lines.contains("needs reset"))
    #expect(machine.lines.contains("works again"))
    let complaints = machine.process.errorOutput.split(separator: "\n")
    #expect(complaints.count == 1)
    #expect(complaints[0].hasPrefix("swiftvm: warning: virtio-serial in slot 1 needs a reset"))
  }
}
