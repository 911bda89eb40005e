import Testing

extension StockGuestTests {
  /// Sixty ports in use, and one more that misbehaves.
  @Suite(.guest(Guest.Options(ports: IsolationPort.all, arguments: ["--cpus", "2"])))
  struct IsolationTests {
    typealias Port = IsolationPort

    private static let rounds = 5

    let guest: Guest
    let agent: Agent

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
    }

    private static func path(_ port: String) -> String { "/dev/virtio-ports/" + port }

    @Test func alone() throws { try checkOthers("nothing else") }

    @Test func besideAClientThatNeverReads() throws {
      let client = try guest.connect(Port.odd)
      try agent.startProgram("writer", "sh -c 'exec seq 1 50000000 >\(Self.path(Port.odd))'")
      try Deadline(seconds: 60).wait(until: { client.unreadCount > 64 << 10 }, "a full socket")
      try checkOthers("a client that never reads")
      try agent.stop("writer")
    }

    @Test func besideAFloodIntoTheGuest() throws {
      let path = Self.path(Port.odd)
      try agent.startProgram(
        "reader", "sh -c 'exec <\(path); vport wait - host; exec cat >/dev/null'")
      nonisolated(unsafe) let client = try guest.connect(Port.odd)
      let bytes = [UInt8](repeating: 0, count: 64 << 10)
      let flood = BackgroundThread { try? client.send(bytes, seconds: 1) }
      try checkOthers("a flood into the guest")
      flood.stop()
      try agent.stop("reader")
    }

    @Test func besideAFloodOutOfTheGuest() throws {
      try agent.startProgram("writer", "sh -c 'exec cat /dev/zero >\(Self.path(Port.odd))'")
      nonisolated(unsafe) let client = try guest.connect(Port.odd)
      let flood = BackgroundThread { _ = try? client.receive(seconds: 1) }
      try checkOthers("a flood out of the guest")
      try agent.stop("writer")
      flood.stop()
    }

    @Test func besideAPortThatOpensAndClosesAllTheTime() throws {
      try agent.startProgram(
        "opener", "sh -c 'while :; do vport open \(Self.path(Port.odd)); done >/dev/null'")
      let clients = BackgroundThread { [guest] in
        try? guest.connect(Port.odd).send("x")
      }
      try checkOthers("a port that opens and closes")
      clients.stop()
      try agent.stop("opener")
    }

    /// Sixty ports echo, each in its turn; prints what a round trip took.
    private func checkOthers(_ beside: String) throws {
      let bytes = Self.rounds * 6
      let paths = Port.others.map(Self.path).joined(separator: " ")
      try agent.start("echoes", "for port in \(paths); do vport echo $port \(bytes) & done; wait")
      let clients = try Port.others.map { try guest.connect($0) }
      var times: [Double] = []
      for round in 1...Self.rounds {
        for client in clients {
          let start = Deadline.now
          try client.send("trip\(round)\n")
          #expect(try client.receiveLine() == "trip\(round)")
          // The first round has to wait for sixty programs to start.
          if round > 1 { times.append(Deadline.now - start) }
        }
      }
      let answer = try agent.finish("echoes")
      #expect(answer.split(separator: "\n").count == Port.others.count)
      times.sort()
      let (median, worst) = (times[times.count / 2] * 1000, times[times.count - 1] * 1000)
      print("figure: 60 ports beside \(beside): median \(median) ms, worst \(worst) ms")
    }
  }
}

/// The ports of that guest.
enum IsolationPort {
  static let others = (1...60).map { "org.example.port.\($0)" }
  static let odd = "org.example.odd"
  static let all = others + [odd]
}
