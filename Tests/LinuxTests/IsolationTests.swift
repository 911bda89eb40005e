import TestSupport
import Testing

extension StockGuestTests {
  /// Sixty ports in use, and one more that misbehaves.
  @Suite(.guest(Guest.Options(ports: IsolationPort.all, arguments: ["--cpus", "2"])))
  struct IsolationTests {
    typealias Port = IsolationPort

    private static let rounds = 5
    private static let bulkBytes = 4 << 20

    /// How the other ports do.
    private struct Figures {
      /// Of a round trip, in seconds.
      var median = 0.0
      var worst = 0.0
      /// Of one port's bytes out of the guest, a second.
      var throughput = 0.0

      /// A port that is starved has nothing, or next to nothing. Others have a share of the processors at
      /// least, of which the odd port's program and client take theirs.
      func isFair(_ alone: Figures) -> Bool {
        median <= 4 * alone.median + alone.worst && throughput >= alone.throughput / 4
      }
    }

    let guest: Guest
    let agent: Agent

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
    }

    private static func path(_ port: String) -> String { "/dev/virtio-ports/" + port }

    @Test func besideAClientThatNeverReads() throws {
      try checkOthers("a client that never reads") { measure in
        let client = try guest.connect(Port.odd)
        try agent.startProgram("writer", "sh -c 'exec seq 1 50000000 >\(Self.path(Port.odd))'")
        try Deadline(seconds: 60).wait(until: { client.unreadCount > 64 << 10 }, "a full socket")
        try measure()
        try agent.stop("writer")
      }
    }

    @Test func besideAFloodIntoTheGuest() throws {
      try checkOthers("a flood into the guest") { measure in
        let path = Self.path(Port.odd)
        try agent.startProgram(
          "reader", "sh -c 'exec <\(path); vport wait - host; exec cat >/dev/null'")
        nonisolated(unsafe) let client = try guest.connect(Port.odd)
        let bytes = [UInt8](repeating: 0, count: 64 << 10)
        let flood = BackgroundThread { try? client.sendAll(bytes, seconds: 1) }
        try measure()
        flood.stop()
        try agent.stop("reader")
      }
    }

    @Test func besideAFloodOutOfTheGuest() throws {
      try checkOthers("a flood out of the guest") { measure in
        try agent.startProgram("writer", "sh -c 'exec cat /dev/zero >\(Self.path(Port.odd))'")
        nonisolated(unsafe) let client = try guest.connect(Port.odd)
        let flood = BackgroundThread { _ = try? client.receivePiece(seconds: 1) }
        try measure()
        try agent.stop("writer")
        flood.stop()
      }
    }

    @Test func besideAPortThatOpensAndClosesAllTheTime() throws {
      try checkOthers("a port that opens and closes") { measure in
        try agent.startProgram(
          "opener", "sh -c 'while :; do vport open \(Self.path(Port.odd)); done >/dev/null'")
        let clients = BackgroundThread { [guest] in
          try? guest.connect(Port.odd).sendAll("x")
        }
        try measure()
        clients.stop()
        try agent.stop("opener")
      }
    }

    /// Measures the others by themselves, and then beside what the body does around its measurement.
    /// What the host does at the time may spoil a comparison, but hardly three.
    private func checkOthers(
      _ beside: String, _ body: (_ measure: () throws -> Void) throws -> Void
    ) throws {
      var alone = Figures()
      var figures = Figures()
      for _ in 1...3 {
        alone = try measureOthers("nothing else")
        try body { figures = try measureOthers(beside) }
        if figures.isFair(alone) { return }
      }
      Issue.record("beside \(beside): \(figures), by themselves: \(alone)")
    }

    /// Sixty ports echo, each in its turn, and one more carries many bytes; prints how that went.
    private func measureOthers(_ beside: String) throws -> Figures {
      let bytes = Self.rounds * 6
      let paths = Port.others.map(Self.path).joined(separator: " ")
      try agent.start("echoes", "for port in \(paths); do vport echo $port \(bytes) & done; wait")
      let clients = try Port.others.map { try guest.connect($0) }
      var times: [Double] = []
      for round in 1...Self.rounds {
        for client in clients {
          let start = monotonicSeconds()
          try client.sendAll("trip\(round)\n")
          #expect(try client.receiveLine() == "trip\(round)")
          // The first round has to wait for sixty programs to start.
          if round > 1 { times.append(monotonicSeconds() - start) }
        }
      }
      let answer = try agent.finish("echoes")
      #expect(answer.split(separator: "\n").count == Port.others.count)
      times.sort()
      let (median, worst) = (times[times.count / 2], times[times.count - 1])
      // The best of three: what the host does beside the test shall not count.
      let throughput = try (1...3).map { _ in try measureThroughput() }.max() ?? 0
      print(
        "figure: 60 ports beside \(beside): median \(median * 1000) ms, worst \(worst * 1000) ms,"
          + " \(throughput / 1e6) MB/s")
      return Figures(median: median, worst: worst, throughput: throughput)
    }

    /// From the first byte on: the program that sends has to start.
    private func measureThroughput() throws -> Double {
      let client = try guest.connect(Port.bulk)
      try agent.start("bulk", "vport bench-send \(Self.path(Port.bulk)) \(Self.bulkBytes)")
      let rest = Self.bulkBytes - (try client.receivePiece().count)
      let start = monotonicSeconds()
      _ = try client.receive(exactly: rest)
      let seconds = monotonicSeconds() - start
      try agent.finish("bulk")
      return Double(rest) / seconds
    }
  }
}

/// The ports of that guest.
enum IsolationPort {
  static let others = (1...60).map { "org.example.port.\($0)" }
  static let odd = "org.example.odd"
  static let bulk = "org.example.bulk"
  static let all = others + [odd, bulk]
}
