import Testing

extension StockGuestTests {
  /// More ports than the guest has buffers for control messages.
  @Suite struct ManyPortsTests {
    private static let names = (1...60).map { "org.example.port.\($0)" }

    @Test func sixtyPortsAppearAndWork() throws {
      let guest = try Guest(Guest.Options(ports: Self.names))
      try guest.awaitAgent()
      let agent = try guest.agent
      let count = Self.names.count + 1
      try agent.run("until [ $(ls /dev/virtio-ports | wc -l) = \(count) ]; do usleep 50000; done")
      let seen = try agent.run("cat /sys/class/virtio-ports/*/name").split(separator: "\n")
      #expect(seen.map(String.init).sorted() == (Self.names + [Guest.agentPort]).sorted())
      for name in [Self.names[0], Self.names[30], Self.names[59]] {
        try agent.start("echo", "vport echo /dev/virtio-ports/\(name) \(name.utf8.count + 1)")
        let client = try guest.connect(name)
        try client.send(name + "\n")
        #expect(try client.receiveLine() == name)
        try agent.finish("echo")
      }
      #expect(try guest.powerOff() == .exit(0))
      #expect(guest.sockets == [])
    }
  }
}
