import Glibc
import TestSupport
import Testing

extension StockGuestTests {
  /// The guest starts again while the machine goes on.
  @Suite(
    .guest(Guest.Options(ports: RestartPort.all, portKeys: RestartPort.keys, hasControl: true)))
  struct RestartTests {
    typealias Port = RestartPort

    let guest: Guest

    init() throws { guest = try Guest.current }

    private static func path(_ port: String) -> String { "/dev/virtio-ports/" + port }

    /// Clients and guest send all the time; the same clients go on afterwards.
    @Test("stressed_restart") func restartUnderTraffic() throws {
      nonisolated(unsafe) let reading = try guest.connect(Port.outwards)
      nonisolated(unsafe) let writing = try guest.connect(Port.inwards)
      try guest.agent.start("outwards", "seq 1 50000000 >\(Self.path(Port.outwards))")
      try guest.agent.start("inwards", "cat \(Self.path(Port.inwards)) >/dev/null")
      _ = try reading.receive(exactly: 256 << 10)
      let traffic = BackgroundThread {
        _ = try? writing.sendAll([UInt8](repeating: UInt8(ascii: "\n"), count: 4096), seconds: 1)
        _ = try? reading.receivePiece(seconds: 0.1)
      }
      try guest.expectRestart { try guest.agent.say("reboot -f") }
      traffic.stop()
      for port in Port.all { try guest.agent.run("await-port \(port)") }
      try guest.agent.run("vport wait \(Self.path(Port.inwards)) host")
      try guest.agent.start("loop", "cat \(Self.path(Port.inwards)) >\(Self.path(Port.outwards))")
      try writing.sendAll("\nafter the restart\n")
      while try reading.receiveLine() != "after the restart" {}
      // And nothing is between one byte and the next any more.
      try writing.sendAll("and on\n")
      #expect(try reading.receiveLine() == "and on")
      try guest.agent.run("kill $(pidof cat)")
    }

    /// Not one client is there while the guest goes down and comes up.
    @Test("stressed_restart: without clients") func restartWithoutClients() throws {
      var client: SocketClient? = try guest.connect(Port.trigger)
      try guest.expectRestart {
        try guest.agent.start(
          "restart",
          "exec 3<>\(Self.path(Port.trigger)); vport wait - host <&3; vport wait - hup <&3;"
            + " reboot -f"
        )
        _ = try guest.agent.line(1, of: "restart")
        guest.disconnectAgent()
        #expect(client != nil)
        client = nil
      }
      let next = try guest.connect(Port.trigger)
      try guest.agent.start("echo", "vport echo \(Self.path(Port.trigger)) 6")
      try next.sendAll("again\n")
      #expect(try next.receiveLine() == "again")
      try guest.agent.finish("echo")
    }

    /// Every port is unplugged, the agent's among them, and stays away over a reset; each comes back
    /// with the client that its backend has kept.
    @Test("unplugged_restart") func unpluggedPortsStayAway() throws {
      let ports = Port.all + [Guest.agentPort]
      let clients = try Port.all.map { try guest.connect($0) }
      for port in ports { try guest.remove(port) }
      let count = guest.count(of: "init: agent")
      try guest.control.execute("system_reset")
      try Deadline(seconds: Guest.bootLimit).wait(
        until: { guest.count(of: "init: agent") == count + 1 }, "the guest's next boot")
      let left = try guest.control.execute("x-swiftvm-query-ports").elements
      #expect(left?.map { $0["device"]?.text } == ["serial"])
      try guest.control.execute("device_add", Guest.port(Guest.agentPort))
      try guest.awaitAgent()
      #expect(try guest.agent.run("cat /sys/class/virtio-ports/*/name") == Guest.agentPort)
      for (port, client) in zip(Port.all, clients) {
        try guest.addPort(port)
        try guest.checkEcho(port, client)
      }
    }

    /// The kernel starts another in its place: the device is found as its last driver left it.
    @Test func kexecStartsAnotherKernel() throws {
      let client = try guest.connect(Port.trigger)
      for file in ["vmlinuz", "initramfs.cpio"] {
        let bytes = try File.contents(Checkout.guestImages + "/" + file)
        try guest.agent.start(
          "take", "head -c \(bytes.count) \(Self.path(Port.trigger)) >/tmp/\(file)")
        try client.sendAll(bytes, seconds: 120)
        try guest.agent.finish("take", seconds: 120)
      }
      try guest.agent.startProgram("held", "vport hold \(Self.path(Port.outwards))")
      #expect(try guest.agent.line(1, of: "held") == "open")
      try guest.expectRestart {
        try guest.agent.say(
          "vport kexec /tmp/vmlinuz /tmp/initramfs.cpio \"$(cat /proc/cmdline) kexeced\"")
      }
      #expect(try guest.agent.run("cat /proc/cmdline").hasSuffix(" kexeced"))
      try guest.agent.start("echo", "vport echo \(Self.path(Port.trigger)) 6")
      try client.sendAll("again\n")
      #expect(try client.receiveLine() == "again")
      try guest.agent.finish("echo")
    }
  }
}

/// The ports of that guest.
enum RestartPort {
  static let outwards = "org.example.outwards"
  static let inwards = "org.example.inwards"
  static let trigger = "org.example.trigger"
  static let all = [outwards, inwards, trigger]
  /// Ports and backends that can be named to the control socket.
  static let keys = Dictionary(
    uniqueKeysWithValues: (all + [Guest.agentPort]).map { ($0, "id=\($0),chardev-id=\($0)") })
}
