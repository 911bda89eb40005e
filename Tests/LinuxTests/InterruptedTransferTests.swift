import Control
import TestSupport
import Testing

extension StockGuestTests {
  /// Bytes on their way through the guest while it is stopped, while clients and programs come and
  /// go, and while ports and devices are unplugged. Each test is named as the one of autotest that
  /// checks the same.
  @Suite(.guest(Guest.Options(ports: InterruptedPort.all, hasControl: true)))
  struct InterruptedTransferTests {
    typealias Port = InterruptedPort

    let guest: Guest
    let agent: Agent
    let control: QMPClient

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
      control = try guest.control
    }

    static func path(_ port: String) -> String { "/dev/virtio-ports/" + port }

    /// Has the guest pass on what comes through one port to another, whatever becomes of the two.
    private func startRelay(_ source: String, _ sink: String) throws {
      try agent.run("await-port \(source); await-port \(sink)")
      try agent.startProgram("relay", "vport relay \(Self.path(source)) \(Self.path(sink))")
    }

    private func startTraffic(_ source: String, _ sink: String) throws -> Traffic {
      try startRelay(source, sink)
      return try Traffic(through: guest, from: source, to: sink)
    }

    private func bytesToGuest(_ port: String) throws -> Int? {
      try control.execute("x-swiftvm-query-ports").elements?
        .first { $0["name"] == .string(port) }?["bytes-to-guest"]?.integer
    }

    // MARK: Pause and resume

    /// Not a byte moves while the guest is stopped, and not one is lost.
    @Test("interrupted_transfer: stop_cont") func pausesLoseNothing() throws {
      let traffic = try startTraffic(Port.source, Port.sink)
      for _ in 1...10 {
        try traffic.flow(4096)
        try control.execute("stop")
        try control.awaitEvent("STOP")
        #expect(try control.execute("query-status")["status"] == "paused")
        let count = try #require(try bytesToGuest(Port.source))
        try traffic.fill()
        #expect(try bytesToGuest(Port.source) == count)
        try control.execute("cont")
        try control.awaitEvent("RESUME")
        #expect(try control.execute("query-status")["status"] == "running")
      }
      try traffic.finish()
      let tally = traffic.tally
      #expect(tally.lost == 0 && tally.torn == 0 && tally.misplaced == 0, "\(tally)")
      try agent.stop("relay")
    }

    /// Clients come, speak and leave while the guest is stopped; it is told all that afterwards.
    @Test("virtio_serial_stop_continue") func clientsMayComeInAPause() throws {
      try agent.startProgram("echo", "vport echo \(Self.path(Port.line))")
      var client: SocketClient? = try guest.connect(Port.line)
      try client?.sendAll("before\n")
      #expect(try client?.receiveLine() == "before")
      for round in 1...5 {
        try control.execute("stop")
        // A second stop changes nothing.
        try control.execute("stop")
        client = nil
        let next = try guest.connect(Port.line)
        try next.sendAll("in pause \(round)\n")
        #expect(try control.execute("query-status")["running"] == false)
        try control.execute("cont")
        #expect(try next.receiveLine() == "in pause \(round)")
        client = next
      }
      try agent.stop("echo")
    }

    // MARK: Clients and programs

    /// One side goes and comes back after the other. What was on its way there is lost, in one
    /// piece; all else comes in order.
    @Test("interrupted_transfer: port_disconnect") func eitherSideMayLeave() throws {
      let traffic = try startTraffic(Port.source, Port.sink)
      for _ in 1...4 {
        try check(traffic, losesAtMost: 0) { try traffic.replaceSender() }
        try check(traffic, losesAtMost: Loss.socket) { try traffic.replaceReceiver() }
        try check(traffic, losesAtMost: Loss.queue + Loss.chunk) {
          try agent.stop("relay")
          try startRelay(Port.source, Port.sink)
        }
      }
      try agent.stop("relay")
    }

    /// What an interruption may cost, in bytes: what is on its way where it is.
    private enum Loss {
      /// A port's queue, of buffers as long as the relay's writes and the driver's pages.
      static let queue = 128 * chunk
      static let chunk = 4096
      /// What a socket holds of a sender's, on a host with usual limits.
      static let socket = 212_992
      /// A port that the guest reads; its client stays, with what its socket holds.
      static let source = queue
      /// A port that the guest writes to. Until it hears that the port is gone, the relay goes on, with
      /// what has come for it.
      static let sink = queue + source + socket
    }

    /// Interrupts the traffic, lets everything through that is on its way, and looks what the
    /// interruption has cost: at most so many bytes, in one piece. Order holds.
    private func check(
      _ traffic: Traffic, holes: Int = 1, losesAtMost bytes: Int, _ interrupt: () throws -> Void
    ) throws {
      try traffic.flow(2048)
      let before = traffic.tally
      try interrupt()
      try traffic.finish()
      let tally = traffic.tally
      let lost = tally.lost - before.lost
      print("figure: lost \(lost) of \(tally.last - before.last) records")
      #expect(tally.misplaced == 0, "\(tally)")
      #expect(tally.gaps - before.gaps <= holes, "\(tally)")
      #expect(tally.torn - before.torn <= holes, "\(tally)")
      // Records at the edges may be cut.
      let most = bytes == 0 ? 0 : bytes / Records.size + 2 * holes
      #expect(lost <= most, "\(tally)")
    }

    // MARK: Ports

    @Test("interrupted_transfer: replug_send") func sourceIsReplugged() throws {
      try checkReplugging { _ in Port.pluggedSource }
    }

    @Test("interrupted_transfer: replug_recv") func sinkIsReplugged() throws {
      try checkReplugging { _ in Port.pluggedSink }
    }

    @Test("interrupted_transfer: replug_random") func eitherPortIsReplugged() throws {
      // As random as any other order, and the same each time.
      try checkReplugging { 0b10_1100_1001 >> $0 & 1 == 0 ? Port.pluggedSource : Port.pluggedSink }
    }

    /// Unplugs and plugs a port in each round, by the same id and name; its client stays. Each fifth
    /// time no client reads, and everything is full.
    private func checkReplugging(_ port: (Int) -> String) throws {
      try plugPorts()
      let traffic = try startTraffic(Port.pluggedSource, Port.pluggedSink)
      for round in 0..<10 {
        let port = port(round)
        try check(traffic, losesAtMost: port == Port.pluggedSink ? Loss.sink : Loss.source) {
          if round % 5 == 3 { try traffic.fill() }
          try guest.remove(port)
          try guest.addPort(port)
        }
      }
      try agent.stop("relay")
      try unplugPorts()
    }

    private func plugPorts(to device: String? = nil) throws {
      for port in Port.plugged {
        try guest.addSocket(port)
        try guest.addPort(port, to: device)
      }
    }

    private func unplugPorts() throws {
      for port in Port.plugged { try guest.remove(port) }
      for port in Port.plugged { try guest.removeChardev(port) }
      try guest.awaitAbsence(of: Port.plugged)
    }

    /// The ports and their whole device, again and again.
    @Test("interrupted_transfer: replug_loop") func deviceIsReplugged() throws {
      let device = "looped"
      try guest.addDevice(device)
      try plugPorts(to: device)
      let traffic = try startTraffic(Port.pluggedSource, Port.pluggedSink)
      for round in 0..<4 {
        // Each of the two ports may lose something.
        try check(traffic, holes: 2, losesAtMost: Loss.source + Loss.sink) {
          // The device goes with its ports, or after them.
          if round % 2 == 1 { for port in Port.plugged { try guest.remove(port) } }
          try guest.remove(device)
          try guest.addDevice(device)
          for (number, port) in Port.plugged.enumerated() {
            try guest.addPort(port, to: device, number: number + 1)
          }
        }
      }
      try agent.stop("relay")
      try unplugPorts()
      try guest.remove(device)
    }

    /// A port is unplugged while its writer is held up: the client reads what was sent until then.
    @Test("chardev_remove_pending_watches") func clientReadsOnAfterItsPortIsGone() throws {
      let port = Port.pluggedSink
      try guest.addSocket(port)
      for _ in 1...3 {
        try guest.addPort(port)
        try agent.startProgram("writer", "sh -c 'exec seq 1 50000000 >\(Self.path(port))'")
        let client = try guest.connect(port)
        try agent.wait(for: "writer", toSleepIn: .write)
        try Deadline(seconds: 60).wait(until: { client.unreadCount > 64 << 10 }, "a full socket")
        try guest.remove(port)
        try agent.wait(until: "[ -s /tmp/writer.status ]", "the writer's end")
        client.stopReceiving()
        try checkIsPrefixOfNumbers(try client.receiveToEnd())
      }
      try guest.removeChardev(port)
      #expect(!File.exists(guest.socketPath(port)))
    }

    private func checkIsPrefixOfNumbers(_ bytes: [UInt8]) throws {
      #expect(bytes.count > 64 << 10)
      let file = guest.file("numbers")
      try File.write(bytes, to: file)
      #expect(
        try Tool.shell("seq 1 50000000 | head -c \(bytes.count) | cmp - '\(file)' || true") == "")
    }
  }
}

/// The ports of that guest.
enum InterruptedPort {
  static let source = "org.example.source"
  static let sink = "org.example.sink"
  static let line = "org.example.line"
  static let all = [source, sink, line]
  /// Those that come and go.
  static let pluggedSource = "plugged.source"
  static let pluggedSink = "plugged.sink"
  static let plugged = [pluggedSource, pluggedSink]
}
