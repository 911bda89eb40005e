import Testing

extension StockGuestTests {
  /// All of the machine's threads on one CPU of the host: a wake-up that is lost shows there.
  @Suite struct PinnedTests {
    private static let ports = ["org.example.in", "org.example.out"]

    @Test(arguments: [1, 2, 4]) func guestWorksOnOneHostCPU(cpus: Int) throws {
      let guest = try Guest(
        Guest.Options(
          ports: Self.ports, arguments: ["--cpus", "\(cpus)"], launcher: ["taskset", "-c", "0"]))
      try guest.awaitAgent()
      let agent = try guest.agent
      #expect(try agent.run("nproc") == "\(cpus)")
      for round in 1...200 { #expect(try agent.run("echo \(round)") == "\(round)") }
      try checkLoopback(guest, bytes: 4 << 20)
      #expect(try guest.powerOff() == .exited(0))
    }

    private func checkLoopback(_ guest: Guest, bytes: Int) throws {
      let (sent, received) = (guest.file("sent"), guest.file("received"))
      _ = try Tool.shell("head -c \(bytes) /dev/urandom >'\(sent)'")
      let paths = Self.ports.map { "/dev/virtio-ports/" + $0 }.joined(separator: " ")
      try guest.agent.start("loop", "vport forward \(bytes) 4096 \(paths)")
      var pump = Pump()
      try pump.send(sent, to: try guest.connect(Self.ports[0]))
      try pump.receive(bytes, from: try guest.connect(Self.ports[1]), into: received)
      let seconds = try pump.run(seconds: 120)
      print("figure: \(bytes >> 20) MiB looped back in \(seconds) s")
      try guest.agent.finish("loop")
      #expect(try Tool.sha256(ofFile: received) == Tool.sha256(ofFile: sent))
    }
  }
}
