import Testing

extension StockGuestTests {
  /// What programs in the guest see of a port through open, read, write, poll and signals. Each test
  /// is named as the one of autotest's virtio_console that checks the same.
  @Suite(.guest(Guest.Options(ports: CharacterDevicePort.all, arguments: ThrottledPorts.arguments)))
  struct CharacterDeviceTests {
    typealias Port = CharacterDevicePort

    let guest: Guest
    let agent: Agent

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
    }

    static func path(_ port: String) -> String { "/dev/virtio-ports/" + port }

    @Test("open") func opensWithAndWithoutClient() throws {
      let path = Self.path(Port.opened)
      #expect(try agent.run("vport open \(path)") == "open")
      let client = try guest.connect(Port.opened)
      #expect(try agent.run("vport wait \(path) host 20000") == "OUT")
      try client.sendAll("x")
      #expect(try agent.run("head -c 1 \(path)") == "x")
    }

    @Test("multi_open") func opensOnceAtATime() throws {
      let path = Self.path(Port.opened)
      try agent.startProgram("held", "vport hold \(path)")
      #expect(try agent.line(1, of: "held") == "open")
      #expect(try agent.answer(to: "vport open \(path)").output == "EBUSY")
      try agent.stop("held")
      #expect(try agent.run("vport open \(path)") == "open")
    }

    /// First the guest closes, which its client does not notice; then the client does.
    @Test("close") func closesOnEitherSide() throws {
      let path = Self.path(Port.closed)
      do {
        let client = try guest.connect(Port.closed)
        for word in ["first", "second"] {
          try agent.start(
            "writer", "exec 3<>\(path); vport wait - host <&3 >/dev/null; echo \(word) >&3")
          #expect(try client.receiveLine() == word)
          try agent.finish("writer")
        }
        try agent.startProgram("waiter", "vport wait \(path) hup")
      }
      #expect(try agent.finish("waiter") == "IN HUP")
      #expect(try agent.run("vport poll \(path)") == "IN HUP")
    }

    @Test("polling") func pollFollowsTheClient() throws {
      try agent.start(
        "poll",
        "exec 3<>\(Self.path(Port.polled));"
          + " for what in hup host in hup; do vport wait - $what <&3; done;"
          + " vport read-nonblock - <&3; vport poll - <&3; vport read-nonblock - <&3;"
          + " vport wait - host <&3")
      #expect(try agent.line(1, of: "poll") == "IN HUP")
      do {
        let client = try guest.connect(Port.polled)
        #expect(try agent.line(2, of: "poll") == "OUT")
        try client.sendAll("left")
        #expect(try agent.line(3, of: "poll") == "IN OUT")
      }
      // What the client left is still there; then reading says that no client is.
      #expect(try agent.line(4, of: "poll") == "IN HUP")
      #expect(try agent.line(5, of: "poll") == "read 4")
      #expect(try agent.line(6, of: "poll") == "IN HUP")
      #expect(try agent.line(7, of: "poll") == "read 0")
      let next = try guest.connect(Port.polled)
      #expect(try agent.finish("poll").hasSuffix("\nOUT"))
      #expect(next.unreadCount == 0)
    }

    @Test("sigio") func signalsFollowTheClient() throws {
      try agent.startProgram("signals", "vport signals \(Self.path(Port.signalled))")
      #expect(try agent.line(1, of: "signals") == "ready IN HUP")
      do {
        let client = try guest.connect(Port.signalled)
        #expect(try agent.line(2, of: "signals") == "SIGIO OUT")
        try client.sendAll("data")
        #expect(try agent.line(3, of: "signals") == "SIGIO IN OUT")
        #expect(try agent.line(4, of: "signals") == "read data")
        try client.sendAll("left")
      }
      // One signal may stand for the bytes and the hang-up together.
      try agent.wait(
        until: "grep -q 'SIGIO IN HUP' /tmp/signals.out && grep -q 'read left' /tmp/signals.out",
        "the last bytes and the hang-up")
      let next = try guest.connect(Port.signalled)
      try agent.wait(until: "tail -n 1 /tmp/signals.out | grep -q '^SIGIO OUT$'", "the next client")
      #expect(next.unreadCount == 0)
      try agent.stop("signals")
    }

    @Test("lseek") func seekingFails() throws {
      #expect(try agent.run("vport seek \(Self.path(Port.opened))") == "ESPIPE")
    }

    @Test("rw_blocking_mode") func readsWaitForBytes() throws {
      let client = try guest.connect(Port.blocking)
      try agent.run("vport wait \(Self.path(Port.blocking)) host 20000")
      try agent.startProgram("reader", "head -c 10 \(Self.path(Port.blocking))")
      try agent.wait(for: "reader", toSleepIn: .read)
      try client.sendAll("0123456789")
      #expect(try agent.finish("reader") == "0123456789")
    }

    @Test("rw_nonblocking_mode") func readsAndWritesNeedNotWait() throws {
      let client = try guest.connect(Port.nonblocking)
      let path = Self.path(Port.nonblocking)
      try agent.start(
        "reader",
        "exec 3<>\(path); vport wait - host <&3; vport read-nonblock - <&3; vport wait - in <&3;"
          + " vport read-nonblock - <&3")
      #expect(try agent.line(2, of: "reader") == "EAGAIN")
      try client.sendAll("0123456789")
      #expect(try agent.finish("reader").hasSuffix("\nread 10"))
      // With a client that does not read there is room for the queue and the socket, and no more.
      let written = try agent.run(
        "exec 3<>\(path); vport wait - host <&3 >/dev/null; vport write-nonblock - 64M <&3")
      let words = written.split(separator: " ").map(String.init)
      #expect(words.count == 3 && words.last == "EAGAIN")
      let count = try #require(words.count == 3 ? Int(words[1]) : nil)
      #expect(count > 0)
      #expect(try client.receive(exactly: count).count == count)
    }

    @Test("virtio_serial_empty_line") func emptyLineIsOneByteEachWay() throws {
      let path = Self.path(Port.line)
      let client = try guest.connect(Port.line)
      try agent.start(
        "line",
        "exec 3<>\(path); vport wait - host <&3 >/dev/null; echo >&3; head -c 1 <&3 | wc -l")
      #expect(try client.receivePiece() == [UInt8(ascii: "\n")])
      try client.sendAll("\n")
      #expect(try agent.finish("line") == "1")
      let counters = try agent.run(
        "cat /sys/kernel/debug/virtio-ports/$(basename $(readlink \(path)))")
      let lines = counters.split(separator: "\n").map(String.init)
      #expect(lines.contains("bytes_sent: 1"))
      #expect(lines.contains("bytes_received: 1"))
      #expect(lines.contains("bytes_discarded: 0"))
      #expect(lines.contains("is_console: no"))
    }
  }
}

/// The ports of that guest.
enum CharacterDevicePort {
  static let opened = "org.example.opened"
  static let closed = "org.example.closed"
  static let polled = "org.example.polled"
  static let signalled = "org.example.signalled"
  static let blocking = "org.example.blocking"
  static let nonblocking = "org.example.nonblocking"
  static let line = "org.example.line"
  static let offline = "org.example.offline"
  static let big = "org.example.big"
  static let unheard = "org.example.unheard"
  static let unopened = "org.example.unopened"
  static let stuck = "org.example.stuck"
  static let flooded = "org.example.flooded"
  static let source = "org.example.source"
  static let sinks = (1...3).map { "org.example.sink.\($0)" }
  static let all =
    [
      opened, closed, polled, signalled, blocking, nonblocking, line, offline, big, unheard,
      unopened,
      stuck, flooded, source,
    ] + sinks
}
