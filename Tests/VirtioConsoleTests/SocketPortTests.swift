import CKVM
import Chardev
import Glibc
import TestSupport
import Testing
import VirtioConsole

/// Ports behind real sockets: what clients do (cases H1–H8, H15–H17 of hostile clients), seen by the
/// guest.
@Suite(.timeLimit(.minutes(1)))
struct SocketPortTests {
  typealias Message = MockConsoleDriver.Message

  /// A device with one generic port, number 1, on a socket.
  private final class SocketPort {
    let directory: TemporaryDirectory
    let driver: MockConsoleDriver
    let path: String
    let server: any Chardev

    init(openPorts: Bool = true, _ change: (inout PortPolicy) -> Void = { _ in }) throws {
      directory = try TemporaryDirectory()
      driver = try MockConsoleDriver(names: [], lastPort: 1)
      path = directory["a"]
      server = try ChardevOpener().open(.unixSocketServer(path: path))
      try server.start(on: driver.loop)
      var configuration = PortConfiguration(name: "a")
      change(&configuration.policy)
      try driver.device.addPort(configuration, chardev: server)
      driver.bringUp(openPorts: openPorts)
    }

    deinit { server.stop() }

    func connect() throws -> SocketClient {
      let client = try SocketClient(path)
      driver.settle()
      return client
    }

    /// The values of PORT_OPEN that the guest has been told of.
    func opens() -> [UInt16] {
      driver.settle()
      return driver.takeMessages().filter { $0.event == 6 }.map(\.value)
    }

    var report: PortStatistics { driver.device.statistics.ports[0] }
  }

  @Test("H1: a storm of clients: the guest hears opens and closes in turn, ending in the truth")
  func storm() throws {
    let port = try SocketPort()
    var told: [UInt16] = []
    for slot in 0..<16 { port.driver.offerReceiveBuffer(port: 1, slot: slot) }
    for round in 0..<2000 {
      let client = try SocketClient(port.path)
      if round % 3 == 0 { client.send("x") }
      if round % 2 == 0 { port.driver.settle() }
      client.close()
      guard round % 10 == 0 else { continue }
      told += port.opens()
      for slot in port.driver.takeReceived(port: 1).indices {
        port.driver.offerReceiveBuffer(port: 1, slot: slot)
      }
    }
    // The last of them wait for their turn to be accepted.
    #expect(waitUntil { port.driver.loop.sleepsThroughATurn() })
    told += port.opens()
    #expect(told.count > 100)
    #expect(zip(told, told.dropFirst()).allSatisfy { $0 != $1 }, "never two alike in a row")
    #expect(told.last == 0)
    #expect(!port.report.isOpenOnHost)
    let client = try port.connect()
    #expect(port.opens() == [1])
    withExtendedLifetime(client) {}
  }

  @Test("H2: a second client is refused, and the first is undisturbed")
  func secondClient() throws {
    let port = try SocketPort()
    let first = try port.connect()
    #expect(try port.connect().isAtEnd)
    port.driver.send([1, 2], port: 1)
    #expect(first.receive() == [1, 2])
    #expect(port.opens() == [1])
  }

  @Test("H3, H4, H12: a client that does not read holds the guest back; then it gets every byte")
  func slowReader() throws {
    let port = try SocketPort()
    let client = try port.connect()
    port.driver.flood(port: 1, chains: 32)
    port.driver.settle()
    #expect(port.report.isThrottled)
    let taken = port.report.bytesToHost
    #expect(taken < 1 << 20, "no more than the socket holds")
    var received = 0
    while received < 32 << 16, case let bytes = client.receive(7777), !bytes.isEmpty {
      received += bytes.count
      port.driver.loop.turn(timeoutMilliseconds: 0)
    }
    #expect(received == 32 << 16)
    #expect(port.driver.queues[5]?.takeUsed().count == 32)
    #expect(!port.report.isThrottled)
    #expect(port.report.throttleCount > 0)
  }

  @Test("H5: a client that floods a closed port is held back, and loses nothing")
  func earlyFlood() throws {
    let port = try SocketPort(openPorts: false)
    let client = try port.connect()
    var sent = 0
    while true {
      let count = client.sendWhatFits([UInt8](repeating: 7, count: 65536))
      guard count > 0 else { break }
      sent += count
    }
    port.driver.settle()
    #expect(port.report.bytesToGuest == 0)
    port.driver.sendControl(port: 1, event: 6, value: 1)
    var received = 0
    while received < sent {
      for slot in 0..<16 { port.driver.offerReceiveBuffer(port: 1, slot: slot, length: 65536) }
      let count = port.driver.takeReceived(port: 1).joined().count
      guard count > 0 else { break }
      received += count
    }
    #expect(received == sent)
  }

  @Test("early=hold: a client that sends and leaves before the guest opens loses nothing")
  func sendsAndLeavesEarly() throws {
    let port = try SocketPort(openPorts: false)
    let client = try port.connect()
    client.send("early bird")
    client.close()
    port.driver.settle()
    port.driver.sendControl(port: 1, event: 6, value: 1)
    port.driver.offerReceiveBuffer(port: 1, slot: 0)
    #expect(port.driver.takeReceived(port: 1) == [Array("early bird".utf8)])
    #expect(port.opens() == [1, 0], "H16: the bytes, then the close")
  }

  /// A client that asks, gets no answer and leaves, as before an agent has started.
  private func attempt(_ number: Int, at port: SocketPort) throws {
    let client = try port.connect()
    client.send("\(number);")
    client.close()
    port.driver.settle()
  }

  @Test(
    "Twenty attempts before the guest opens: with early=hold all are given, in order, and the last")
  func attemptsAreHeld() throws {
    let port = try SocketPort(openPorts: false)
    for number in 1...20 { try attempt(number, at: port) }
    let last = try port.connect()
    last.send("last")
    port.driver.sendControl(port: 1, event: 6, value: 1)
    for slot in 0..<32 { port.driver.offerReceiveBuffer(port: 1, slot: slot) }
    port.driver.settle()
    let received = port.driver.takeReceived(port: 1)
    #expect(received == ((1...20).map { "\($0);" } + ["last"]).map { Array($0.utf8) })
    port.driver.send([7], port: 1)
    #expect(last.receive() == [7])
  }

  @Test(
    "Twenty attempts before the guest opens: with early=drop the next client's answer is the first")
  func attemptsAreDropped() throws {
    let port = try SocketPort(openPorts: false) { ($0.early, $0.onHostClose) = (.drop, .discard) }
    for number in 1...20 { try attempt(number, at: port) }
    port.driver.sendControl(port: 1, event: 6, value: 1)
    for slot in 0..<32 { port.driver.offerReceiveBuffer(port: 1, slot: slot) }
    let last = try port.connect()
    last.send("last")
    port.driver.settle()
    #expect(port.driver.takeReceived(port: 1) == [Array("last".utf8)])
    port.driver.send([7], port: 1)
    #expect(last.receive() == [7])
  }

  @Test("H6: each direction ends by itself")
  func halfClosed() throws {
    let port = try SocketPort()
    let client = try port.connect()
    port.driver.offerReceiveBuffer(port: 1, slot: 0)
    client.send("last words")
    shutdown(client.descriptor, Int32(SHUT_WR))
    port.driver.settle()
    #expect(port.driver.takeReceived(port: 1) == [Array("last words".utf8)])
    port.driver.send([1], port: 1)
    #expect(client.receive() == [1])
    #expect(port.opens() == [1])
  }

  @Test("H7: a client that resets the connection is one that has left")
  func resetConnection() throws {
    let port = try SocketPort()
    let client = try port.connect()
    port.driver.send([1, 2, 3], port: 1)
    client.close()  // with bytes unread
    port.driver.send([4], port: 1)
    #expect(port.opens() == [1, 0])
    let next = try port.connect()
    #expect(next.receive() == [4], "kept for the next client")
  }

  @Test(
    "H8: a client that leaves in mid-chain; the next one gets the rest, or none of it",
    arguments: PortPolicy.OnHostClose.allCases)
  func leavesInMidChain(policy: PortPolicy.OnHostClose) throws {
    let port = try SocketPort { $0.onHostClose = policy }
    let client = try port.connect()
    port.driver.flood(port: 1, chains: 32)
    port.driver.settle()
    let first = Int(port.report.bytesToHost)
    #expect(first > 0 && first < 32 << 16)
    client.close()
    port.driver.settle()
    #expect(port.driver.queues[5]?.takeUsed().count == (policy == .discard ? 32 : first >> 16))
    let next = try port.connect()
    port.driver.send([9], port: 1)
    var received: [UInt8] = []
    let rest = policy == .discard ? 1 : (32 << 16) - first + 1
    while received.count < rest, case let bytes = next.receive(), !bytes.isEmpty {
      received += bytes
      port.driver.loop.turn(timeoutMilliseconds: 0)
    }
    #expect(received.count == rest)
    #expect(received.last == 9)
    let lost = policy == .discard ? (32 << 16) - first : 0
    #expect(port.report.bytesDiscarded == UInt64(lost))
  }

  @Test("H15: clients that come and go while the driver resets and returns leave no stale state")
  func clientsDuringResets() throws {
    let port = try SocketPort()
    for round in 0..<50 {
      let client = try port.connect()
      port.driver.device.lock.withLock { port.driver.writeStatus([]) }
      if round % 2 == 0 { client.close() }
      port.driver.reset()
      let opens = port.driver.bringUp().filter { $0.event == 6 }.map(\.value)
      #expect(opens == (round % 2 == 0 ? [] : [1]))
      client.close()
      port.driver.settle()
    }
    #expect(port.opens().last == 0)
  }

  @Test("O13: clients stay connected over resets, and carry on")
  func staysConnected() throws {
    let port = try SocketPort()
    let client = try port.connect()
    port.driver.reset()
    client.send("in a pause")
    port.driver.bringUp()
    port.driver.offerReceiveBuffer(port: 1, slot: 0)
    #expect(port.driver.takeReceived(port: 1) == [Array("in a pause".utf8)])
    port.driver.send([5], port: 1)
    #expect(client.receive() == [5])
    #expect(port.report.connectionCount == 1)
  }

  @Test(
    "on-guest-close=shutdown: the client reads everything, then the end; the guest still hears it")
  func guestShutdown() throws {
    let port = try SocketPort { $0.onGuestClose = .shutdown }
    let client = try port.connect()
    port.driver.send(Array("bye".utf8), port: 1)
    port.driver.sendControl(port: 1, event: 6, value: 0)
    #expect(client.rest() == Array("bye".utf8))
    port.driver.sendControl(port: 1, event: 6, value: 1)
    port.driver.offerReceiveBuffer(port: 1, slot: 0)
    client.send("still here")
    port.driver.settle()
    #expect(port.driver.takeReceived(port: 1) == [Array("still here".utf8)])
    port.driver.send([1], port: 1)
    client.close()
    #expect(try port.connect().receive() == [1], "what is written then waits for the next client")
  }

  @Test("on-guest-close=close: the client reads everything, then the end; the next one is welcome")
  func guestClose() throws {
    let port = try SocketPort { $0.onGuestClose = .close }
    let client = try port.connect()
    client.send("unread")
    port.driver.settle()
    port.driver.send(Array("bye".utf8), port: 1)
    port.driver.sendControl(port: 1, event: 6, value: 0)
    #expect(client.rest() == Array("bye".utf8))
    #expect(port.opens() == [1, 0])
    #expect(port.report.bytesDiscarded == 6)
    port.driver.sendControl(port: 1, event: 6, value: 1)
    let next = try port.connect()
    port.driver.send([2], port: 1)
    #expect(next.receive() == [2])
  }

  @Test("A removed port lets its client go on without it; the socket stays its owner's")
  func removedPort() throws {
    let port = try SocketPort()
    let client = try port.connect()
    port.driver.send([1], port: 1)
    try port.driver.device.removePort(number: 1)
    client.send("to absent")
    port.driver.settle()
    #expect(client.receive() == [1])
    try port.driver.device.addPort(PortConfiguration(name: "again"), chardev: port.server)
    #expect(port.driver.answerAdditions().last == Message(1, 6, 1), "its client is still there")
    port.driver.offerReceiveBuffer(port: 1, slot: 0)
    #expect(port.driver.takeReceived(port: 1) == [Array("to absent".utf8)])
  }
}
