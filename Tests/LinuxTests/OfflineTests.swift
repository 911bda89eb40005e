import TestSupport
import Testing

/// One side writes while the other is away, or does not read.
extension StockGuestTests.CharacterDeviceTests {
  @Test("rw_host_offline") func writesWaitForTheClient() throws {
    let path = Self.path(Port.offline)
    #expect(try agent.run("vport read-nonblock \(path)") == "read 0")
    #expect(try agent.run("head -c 1 \(path) | wc -c") == "0")
    #expect(try agent.run("vport write-nonblock \(path) 10") == "wrote 0 EAGAIN")
    try agent.startProgram("writer", "sh -c 'printf 0123456789 >\(path)'")
    try agent.wait(for: "writer", toSleepIn: .write)
    let client = try guest.connect(Port.offline)
    #expect(String(decoding: try client.receive(exactly: 10), as: UTF8.self) == "0123456789")
    try agent.finish("writer")
  }

  @Test("rw_host_offline_big_data") func everyByteOfABigWriteWaits() throws {
    let mebibytes = 64
    try agent.startProgram("big", "vport send \(Self.path(Port.big)) \(mebibytes)M 21")
    try agent.wait(for: "big", toSleepIn: .write)
    let received = guest.file("big")
    var pump = Pump()
    try pump.receive(mebibytes << 20, from: try guest.connect(Port.big), into: received)
    _ = try pump.run(seconds: 240)
    #expect(
      try agent.finish("big")
        == "sent \(mebibytes << 20) sha256 \(try Tool.sha256(ofFile: received))")
  }

  /// Neither side listens: the guest's writer waits and can be interrupted; the client's bytes stay
  /// with it. What comes then is whole.
  @Test("serial_no_listening") func bothSidesMaySpeakWithoutAPeer() throws {
    let path = Self.path(Port.unheard)
    try agent.startProgram("unheard", "sh -c 'echo lost >\(path)'")
    try agent.wait(for: "unheard", toSleepIn: .write)
    try agent.stop("unheard")
    let client = try guest.connect(Port.unheard)
    try client.sendAll("is anybody there\n")
    #expect(client.unreadCount == 0)
    #expect(client.untakenCount > 0)
    try agent.start("answer", "vport echo \(path) 17")
    #expect(try client.receiveLine() == "is anybody there")
    try agent.finish("answer")
  }

  /// Clients of a port that the guest never opens cannot send without end; what they could send is
  /// there when the guest opens it after all.
  @Test("rw_notconnect_guest") func bytesForAnUnopenedPortWait() throws {
    let most = 1_000_000
    let first = try guest.connect(Port.unopened)
    let firstCount = try first.fill(most: most)
    #expect((1..<most).contains(firstCount))
    try agent.run("true")
    let again = try first.fill(most: most)
    #expect(again == 0)
    try agent.start(
      "collector", "vport collect \(Self.path(Port.unopened)) \(firstCount + 6) | cut -d ' ' -f 1,2"
    )
    try first.sendAll("+tail\n")
    #expect(try agent.finish("collector") == "received \(firstCount + 6)")
  }

  /// Writers on both sides whose readers do not read: both stop, nothing else does, and with the
  /// first reads all goes on where it was.
  @Test("virtio_serial_throttling", arguments: ThrottledPorts.all)
  func writersWaitForReaders(_ ports: ThrottledPorts) throws {
    let mebibytes = ports.mebibytes
    let stuck = try ports.stuck.connect(guest)
    try agent.startProgram("stuck", "vport send \(Self.path(ports.stuck.name)) \(mebibytes)M 22")
    try agent.wait(for: "stuck", toSleepIn: .write)

    let flooded = try ports.flooded.connect(guest)
    try agent.start(
      "flooded",
      "exec 3<>\(Self.path(ports.flooded.name)); rm -f /tmp/flooded.read; vport wait - in <&3; until [ -e /tmp/flooded.read ]; do"
        + " usleep 20000; done; vport collect - $(cat /tmp/flooded.read) <&3")
    let most = 64 << 20
    let count = try flooded.fill(most: most)
    #expect((1..<most).contains(count))

    #expect(try agent.run("echo alive") == "alive")
    let received = guest.file("stuck")
    var pump = Pump()
    try pump.receive(mebibytes << 20, from: stuck, into: received)
    _ = try pump.run(seconds: 120)
    #expect(
      try agent.finish("stuck")
        == "sent \(mebibytes << 20) sha256 \(try Tool.sha256(ofFile: received))")

    try agent.run("echo \(count) >/tmp/part; mv /tmp/part /tmp/flooded.read")
    let sum = try Tool.shell("head -c \(count) /dev/zero | tr '\\0' f | sha256sum").prefix(64)
    #expect(try agent.finish("flooded") == "IN OUT\nreceived \(count) sha256 \(sum)")
  }
}

/// Ports whose readers do not read, with backends of one kind.
struct ThrottledPorts: Sendable, CustomTestStringConvertible {
  struct Port {
    let name: String
    /// Of TCP; nil for a Unix socket.
    var number: UInt16?

    func connect(_ guest: Guest) throws -> SocketClient {
      try number.map { try SocketClient(localPort: $0) } ?? guest.connect(name)
    }
  }

  let testDescription: String
  let stuck: Port
  let flooded: Port
  /// More than queue and sockets hold: 128 writes of 32 KiB and what the kernel allows.
  let mebibytes: Int

  static let all = [
    ThrottledPorts(
      testDescription: "unix_socket", stuck: Port(name: CharacterDevicePort.stuck),
      flooded: Port(name: CharacterDevicePort.flooded), mebibytes: 8),
    ThrottledPorts(
      testDescription: "tcp_socket", stuck: Port(name: "org.example.stuck.tcp", number: 47_320),
      flooded: Port(name: "org.example.flooded.tcp", number: 47_321), mebibytes: 20),
  ]

  /// The options of `swiftvm run` for those on TCP.
  static let arguments = all.flatMap { [$0.stuck, $0.flooded] }.flatMap { port in
    port.number.map { ["--virtserialport", "name=\(port.name),tcp=\($0)"] } ?? []
  }
}
