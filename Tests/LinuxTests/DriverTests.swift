import Glibc
import TestSupport
import Testing

extension StockGuestTests {
  /// The guest's driver goes and comes back, and the host's side stays: the same clients talk to the
  /// guest before and after.
  @Suite(.guest(Guest.Options(ports: DriverPort.all)))
  struct DriverTests {
    typealias Port = DriverPort

    let guest: Guest
    let agent: Agent

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
    }

    static func path(_ port: String) -> String { "/dev/virtio-ports/" + port }

    func checkEcho(_ port: String, _ client: SocketClient, _ word: String) throws {
      try agent.run("await-port \(port)")
      try agent.start("echo", "vport echo \(Self.path(port)) \(word.utf8.count + 1)")
      try client.sendAll(word + "\n")
      #expect(try client.receiveLine() == word)
      try agent.finish("echo")
    }

    func checkNames() throws {
      try agent.wait(
        until: "[ $(cat /sys/class/virtio-ports/*/name | wc -l) -gt \(Port.all.count) ]",
        "the ports' names")
      let names = try agent.run("cat /sys/class/virtio-ports/*/name").split(separator: "\n")
      #expect(names.map(String.init).sorted() == (Port.all + [Guest.agentPort]).sorted())
    }

    /// Ten times: nothing of the old life is left on either side.
    @Test("rmmod") func portsWorkAfterEachUnloadAndLoad() throws {
      let client = try guest.connect(Port.steady)
      try checkEcho(Port.steady, client, "before")
      var descriptors = 0
      for round in 1...10 {
        try agent.runClosed("rmmod virtio_console && load-module virtio_console")
        try checkEcho(Port.steady, client, "round \(round)")
        try checkNames()
        // A queue has a descriptor once it has been notified twice.
        if round == 3 { descriptors = try descriptorCount() }
      }
      #expect(try descriptorCount() == descriptors)
    }

    private func descriptorCount() throws -> Int {
      Int(try Tool.shell("ls /proc/\(guest.process.pid)/fd | wc -l")) ?? 0
    }

    @Test("serial_modprobe") func nodesVanishAndReturnWithTheModule() throws {
      let seen = try agent.runClosed(
        "ls /dev/vport0p*; rmmod virtio_console; ls /dev | grep vport; load-module virtio_console")
      let nodes = seen.split(separator: "\n").map(String.init)
      #expect(nodes.count == Port.all.count + 1)
      #expect(nodes.allSatisfy { $0.hasPrefix("/dev/vport0p") })
      try checkNames()
      #expect(
        try agent.run("ls /dev/vport0p*").split(separator: "\n").map(String.init) == nodes)
    }

    /// The device goes away under an open port: its program is told.
    @Test func unboundDriverLeavesAndComesBack() throws {
      let client = try guest.connect(Port.steady)
      try agent.startProgram("signals", "vport signals \(Self.path(Port.steady))")
      #expect(try agent.line(1, of: "signals").hasPrefix("ready"))
      try agent.runClosed(
        "cd /sys/bus/virtio/drivers/virtio_console; echo virtio0 >unbind; echo virtio0 >bind")
      try agent.wait(until: "grep -q SIGIO /tmp/signals.out", "a signal")
      try agent.stop("signals")
      try checkEcho(Port.steady, client, "bound again")
      try checkNames()
    }

    /// The whole PCI function is let go, disabled, forgotten, found and set up again.
    @Test func functionIsRemovedAndFoundAgain() throws {
      let client = try guest.connect(Port.steady)
      let device = try agent.run(
        "basename $(dirname $(readlink -f /sys/bus/virtio/devices/virtio0))")
      try agent.runClosed(
        "cd /sys/bus/pci/drivers/virtio-pci; echo \(device) >unbind; echo \(device) >bind")
      try checkEcho(Port.steady, client, "rebound")
      try agent.runClosed(
        "echo 1 >/sys/bus/pci/devices/\(device)/remove; echo 1 >/sys/bus/pci/rescan")
      try checkEcho(Port.steady, client, "found")
      try checkNames()
    }

    /// A reset of the device between a writer's bytes, and between a client's.
    @Test func resetInTheMiddleOfTransfers() throws {
      let reading = try guest.connect(Port.outwards)
      let writing = try guest.connect(Port.inwards)
      for round in 1...5 {
        try agent.start("outwards", "seq 1 50000000 >\(Self.path(Port.outwards))")
        try agent.start("inwards", "cat \(Self.path(Port.inwards)) >/dev/null")
        var stream = try reading.receive(exactly: 256 << 10)
        try writing.sendAll([UInt8](repeating: UInt8(ascii: "x"), count: 256 << 10))
        try agent.runClosed(
          "cd /sys/bus/virtio/drivers/virtio_console; echo virtio0 >unbind; echo virtio0 >bind")
        try agent.wait(until: "[ -s /tmp/outwards.status ]", "the writer's end")
        try agent.run(
          "kill $(pidof cat) || true; await-port \(Port.outwards); await-port \(Port.inwards)")
        try agent.start("mark", "echo end of round \(round) >\(Self.path(Port.outwards))")
        // What came before is the numbers from 1 on, cut off somewhere.
        while !stream.ends(with: "end of round \(round)\n") { stream += try reading.receivePiece() }
        try checkIsPrefixOfNumbers(stream.dropLast("end of round \(round)\n".utf8.count))
        try agent.finish("mark")
        try checkTaken(writing, round)
      }
    }

    private func checkIsPrefixOfNumbers(_ bytes: ArraySlice<UInt8>) throws {
      let file = guest.file("numbers")
      try File.write(Array(bytes), to: file)
      #expect(
        try Tool.shell("seq 1 50000000 | head -c \(bytes.count) | cmp - '\(file)' || true") == "")
    }

    /// The guest has what the client says now, after whatever else was still on its way.
    private func checkTaken(_ client: SocketClient, _ round: Int) throws {
      try agent.start(
        "take", "grep -q 'end of round \(round)$' <\(Self.path(Port.inwards))")
      try client.sendAll("end of round \(round)\n")
      try agent.finish("take")
    }

    /// What hibernation does to devices: rule O4, where ports are ready without DEVICE_READY.
    @Test func devicesAreFrozenAndRestored() throws {
      let client = try guest.connect(Port.steady)
      try agent.startProgram("held", "vport echo \(Self.path(Port.steady))")
      for round in 1...3 {
        try client.sendAll("round \(round)\n")
        #expect(try client.receiveLine() == "round \(round)")
        #expect(try agent.run("vport hibernate", seconds: 120) == "restored")
      }
      try client.sendAll("and on\n")
      #expect(try client.receiveLine() == "and on")
      try agent.stop("held")
      try checkNames()
      try checkEcho(Port.other, try guest.connect(Port.other), "a port that was closed")
    }
  }
}

/// The ports of that guest.
enum DriverPort {
  static let steady = "org.example.steady"
  static let other = "org.example.other"
  static let outwards = "org.example.outwards"
  static let inwards = "org.example.inwards"
  static let all = [steady, other, outwards, inwards]
}

extension [UInt8] {
  fileprivate func ends(with text: String) -> Bool {
    suffix(text.utf8.count).elementsEqual(text.utf8)
  }
}
