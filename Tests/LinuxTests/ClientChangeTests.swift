import Testing

extension StockGuestTests {
  /// Clients that follow each other, as a program in the guest notices.
  @Suite(
    .guest(
      Guest.Options(ports: [ClientChangePort.gap], portKeys: [ClientChangePort.gap: "gap=10"])),
    .timeLimit(.minutes(10))
  )
  struct ClientChangeTests {
    private static let rounds = 1000

    let guest: Guest
    let agent: Agent

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
    }

    /// Each client sends its line and leaves, and the next one is there at once.
    @Test("With gap=, a reader sees each of a thousand clients leave", arguments: ["read", "poll"])
    func everyDepartureIsSeen(how: String) throws {
      try agent.start(
        "clients", "vport clients /dev/virtio-ports/\(ClientChangePort.gap) \(how) \(Self.rounds)")
      for round in 0..<Self.rounds {
        let client = try guest.connect(ClientChangePort.gap)
        try client.sendAll("\(round)\n")
      }
      #expect(
        try agent.finish("clients", seconds: 180) == "clients \(Self.rounds) lines \(Self.rounds)")
    }
  }
}

/// The port of that guest.
enum ClientChangePort {
  static let gap = "org.example.gap"
}
