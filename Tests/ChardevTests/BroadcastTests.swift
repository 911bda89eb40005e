import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// `clients=broadcast`: all get the output, any may send.
@Suite(.timeLimit(.minutes(1)))
struct BroadcastTests {
  /// One that gives up on slow clients after a moment.
  private func serve(_ endpoint: Endpoint = .path) throws -> ServedEndpoint {
    try ServedEndpoint(endpoint) { $0.clients = .broadcast }
  }

  @Test(arguments: Endpoint.all)
  func everyClientGetsTheOutputAndTheGuestHearsAll(of endpoint: Endpoint) throws {
    let served = try serve(endpoint)
    served.frontEnd.setWantsReadable(true)
    var clients: [SocketClient] = []
    for number in 1...3 {
      clients.append(try served.connectUnnoticed())
      #expect(served.loop.turn { served.counters.acceptedClients == number })
    }
    #expect(served.frontEnd.write("to all") == .transferred(6))
    for client in clients { #expect(client.receiveText() == "to all") }
    clients[1].send("one")
    #expect(served.loop.turn { served.frontEnd.text == "one" })
    clients[2].send("two")
    #expect(served.loop.turn { served.frontEnd.text == "onetwo" })
    clients[0].close()
    served.loop.settle()
    #expect(served.frontEnd.events == [.connected])
    #expect(served.frontEnd.write("fewer") == .transferred(5))
    #expect(clients[1].receiveText() == "fewer")
    clients[1].close()
    clients[2].close()
    #expect(served.hears([.connected, .disconnected]))
    #expect(served.frontEnd.write("x") == .disconnected)
    #expect(served.frontEnd.read() == .disconnected)
    #expect(served.loop.sleepsThroughATurn())
  }

  /// Writes all of it, as the loop finds room.
  private func write(_ bytes: [UInt8], by served: ServedEndpoint, while reading: () -> Void) {
    var done = 0
    func writeOn() {
      while done < bytes.count,
        case .transferred(let count) = served.frontEnd.write(bytes[done...])
      {
        done += count
      }
      served.frontEnd.setWantsWritable(done < bytes.count)
    }
    served.frontEnd.whenWritable = writeOn
    writeOn()
    #expect(
      served.loop.turn {
        reading()
        return done == bytes.count
      })
    served.frontEnd.whenWritable = {}
  }

  @Test("H3, H4: a slow client holds the others back, and no client misses a byte")
  func aSlowClientGetsEverything() throws {
    let served = try serve()
    let fast = try served.connect()
    let slow = try served.connect()
    let output = (0..<1_500_000).map { UInt8(truncatingIfNeeded: ($0 >> 8) ^ $0) }
    var received: (fast: [UInt8], slow: [UInt8]) = ([], [])
    write(output, by: served) {
      received.fast += fast.receive(waits: false)
      received.slow += slow.receive(7777, waits: false)
    }
    #expect(
      served.loop.turn {
        received.fast += fast.receive(waits: false)
        received.slow += slow.receive(waits: false)
        return received.slow.count == output.count && received.fast.count == output.count
      })
    #expect(received.fast == output)
    #expect(received.slow == output)
    #expect(!served.chardev.outputStatus.hasUnsentBytes)
    #expect(served.counters.dismissedClients == 0)
    #expect(served.loop.sleepsThroughATurn())
  }

  @Test("H12: a stopped client is disconnected in the end; the others get everything")
  func aStoppedClientIsDisconnected() throws {
    let loop = try EventLoop()
    let directory = try TemporaryDirectory()
    let chardev = HubChardev(
      clientsOf: SocketListener(try ListeningSocket(path: directory["port0"])),
      patienceMilliseconds: 20)
    let frontEnd = RecordingFrontEnd(chardev)
    try chardev.start(on: loop)
    defer { chardev.stop() }
    let stopped = try #require(SocketClient(at: directory["port0"]))
    let awake = try #require(SocketClient(at: directory["port0"]))
    #expect(loop.turn { chardev.counters.acceptedClients == 2 })
    let output = (0..<2_000_000).map { UInt8(truncatingIfNeeded: ($0 >> 8) ^ $0) }
    var done = 0
    var received: [UInt8] = []
    let isDone = loop.turn {
      if done < output.count, case .transferred(let count) = frontEnd.write(output[done...]) {
        done += count
      }
      received += awake.receive(waits: false)
      return received.count == output.count
    }
    #expect(isDone)
    #expect(received == output)
    #expect(chardev.counters.dismissedClients == 1)
    var rest = 0
    while case let bytes = stopped.receive(), !bytes.isEmpty { rest += bytes.count }
    #expect(rest > 0 && rest < output.count)
    #expect(stopped.isAtEnd)
    #expect(frontEnd.events == [.connected])
  }

  /// No client waits, so none is disconnected, and no timer runs.
  @Test func aStoppedClientThatIsAloneStays() throws {
    let served = try serve()
    let client = try served.connect()
    var written = 0
    while case .transferred(let count) = served.frontEnd.write([UInt8](repeating: 1, count: 9999)) {
      written += count
    }
    #expect(written < 1 << 21)
    #expect(served.loop.sleepsThroughATurn())
    var received = 0
    #expect(
      served.loop.turn {
        received += client.receive(waits: false).count
        return received == written
      })
  }

  @Test func packetsStayWholeForEveryClient() throws {
    let served = try serve(.packets)
    let clients = try (0..<2).map { _ in try served.connect() }
    for size in [1, 100, 65536, 5] {
      #expect(
        served.frontEnd.write([UInt8](repeating: UInt8(size % 251), count: size))
          == .transferred(size))
    }
    served.loop.settle()
    for client in clients {
      for size in [1, 100, 65536, 5] {
        #expect(client.receive(1 << 17).count == size)
        served.loop.turn(timeoutMilliseconds: 0)
      }
    }
    served.frontEnd.readLimit = 3
    served.frontEnd.setWantsReadable(true)
    clients[0].send("abcdefg")
    clients[1].send("1234567")
    #expect(served.loop.turn { served.frontEnd.received.count == 14 })
    #expect(["abcdefg1234567", "1234567abcdefg"].contains(served.frontEnd.text))
  }

  @Test("A client that reads again after a while does not get all it has missed in one turn")
  func catchesUpInTurns() throws {
    let served = try serve(.packets)
    let client = try served.connect()
    let count = 3000
    for _ in 0..<count { #expect(served.frontEnd.write("x") == .transferred(1)) }
    var received = 0
    func receive() {
      while case let packet = client.receive(waits: false), !packet.isEmpty {
        received += packet.count
      }
    }
    receive()
    let before = received
    #expect(before > 0 && before < count)
    served.loop.clock.limit = 0
    served.loop.turn(timeoutMilliseconds: 0)
    receive()
    #expect((1...8).contains(received - before))
    #expect(
      served.loop.turn {
        receive()
        return received == count
      })
  }

  @Test(arguments: [true, false])
  func theEndComesAfterTheBytes(of endsOutput: Bool) throws {
    let served = try serve()
    let client = try served.connect()
    var written = 0
    while case .transferred(let count) = served.frontEnd.write([UInt8](repeating: 7, count: 9999)) {
      written += count
    }
    #expect(served.chardev.outputStatus.hasUnsentBytes)
    if endsOutput {
      served.chardev.session?.endOutput()
    } else {
      served.chardev.session?.disconnectClient()
    }
    if !endsOutput { #expect(served.hears([.connected, .disconnected])) }
    var received = 0
    #expect(
      served.loop.turn {
        received += client.receive(waits: false).count
        return received == written
      })
    served.loop.settle()
    #expect(client.isAtEnd)
    #expect(!served.chardev.outputStatus.hasUnsentBytes)
    guard endsOutput else { return }
    served.frontEnd.setWantsReadable(true)
    client.send("still here")
    #expect(served.loop.turn { served.frontEnd.text == "still here" })
  }

  @Test func whoComesLaterGetsWhatIsWrittenFromThenOn() throws {
    let served = try serve()
    let first = try served.connect()
    served.frontEnd.write("early ")
    let second = try served.connect()
    served.frontEnd.write("late")
    #expect(first.receiveText() == "early late")
    #expect(second.receiveText() == "late")
  }

  @Test func thereAreAtMostSixtyFour() throws {
    let served = try serve()
    for _ in 0..<HubChardev.clientCapacity { _ = try served.connect() }
    #expect(try served.connect().isAtEnd)
    #expect(served.counters.refusedClients == 1)
    #expect(served.counters.acceptedClients == 64)
  }

  @Test func callsNoDelegateAfterStop() throws {
    let served = try serve()
    let client = try served.connect()
    client.send("left over")
    served.frontEnd.setWantsReadable(true)
    served.chardev.stop()
    served.loop.settle()
    #expect(served.frontEnd.events == [.connected])
    #expect(served.frontEnd.readableCalls == 0)
    #expect(client.isAtEnd)
    #expect(served.directory.entries == [])
  }
}
