import Testing

/// The guest sends back, through other ports, what comes through one.
extension StockGuestTests.CharacterDeviceTests {
  @Test("basic_loopback") func fifteenBytesGoRound() throws {
    let client = try guest.connect(Port.source)
    let sink = try guest.connect(Port.sinks[0])
    try agent.start(
      "basic", "vport forward 15 4096 \(Self.path(Port.source)) \(Self.path(Port.sinks[0]))")
    try client.sendAll("fifteen letters")
    #expect(String(decoding: try sink.receive(exactly: 15), as: UTF8.self) == "fifteen letters")
    #expect(try agent.finish("basic") == "forwarded 15")
  }

  /// One source, three sinks; reads and writes of a few bytes, and of many.
  @Test("loopback", arguments: [(chunk: 4, kibibytes: 8), (chunk: 16384, kibibytes: 8192)])
  func oneSourceReachesAllSinks(chunk: Int, kibibytes: Int) throws {
    let count = kibibytes << 10
    let sent = guest.file("sent")
    _ = try Tool.shell("head -c \(count) /dev/urandom >'\(sent)'")
    let sinks = Port.sinks.map(Self.path).joined(separator: " ")
    try agent.start("loop", "vport forward \(count) \(chunk) \(Self.path(Port.source)) \(sinks)")
    var pump = Pump()
    try pump.send(sent, to: try guest.connect(Port.source))
    for sink in Port.sinks {
      try pump.receive(count, from: try guest.connect(sink), into: guest.file(sink + ".received"))
    }
    _ = try pump.run(seconds: 120)
    #expect(try agent.finish("loop") == "forwarded \(count)")
    let sums = try Port.sinks.map { try Tool.sha256(ofFile: guest.file($0 + ".received")) }
    let sum = try Tool.sha256(ofFile: sent)
    #expect(sums == [sum, sum, sum])
  }
}
