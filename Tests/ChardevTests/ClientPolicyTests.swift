import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// `clients=queue` and `clients=takeover`: H2, told to the client by the socket itself.
@Suite(.timeLimit(.minutes(1)))
struct ClientPolicyTests {
  @Test(arguments: Endpoint.all)
  func queuedClientsAreServedInTheOrderOfTheirComing(of endpoint: Endpoint) throws {
    let served = try ServedEndpoint(endpoint) { $0.clients = .queue }
    served.frontEnd.setWantsReadable(true)
    var clients: [SocketClient] = []
    for number in 0..<4 {
      let client = try served.connectUnnoticed()
      #expect(served.loop.turn { served.counters.acceptedClients == number + 1 })
      client.send("\(number)")
      clients.append(client)
    }
    for number in 0..<4 {
      #expect(served.loop.turn { served.frontEnd.received.count == number + 1 })
      #expect(served.frontEnd.write("yours") == .transferred(5))
      #expect(clients[number].receiveText() == "yours")
      clients[number].close()
    }
    #expect(served.loop.turn { served.frontEnd.events.count == 8 })
    #expect(served.frontEnd.text == "0123")
    #expect(served.counters.refusedClients == 0)
  }

  @Test func theSeventeenthWaitingClientIsClosedAtOnce() throws {
    let served = try ServedEndpoint(.path) { $0.clients = .queue }
    var clients: [SocketClient] = []
    for _ in 0...16 { clients.append(try served.connect()) }
    #expect(served.counters.refusedClients == 0)
    #expect(try served.connect().isAtEnd)
    #expect(served.counters.refusedClients == 1)
    // One that waits no more makes room.
    clients[7].close()
    let next = try served.connect()
    #expect(served.counters.refusedClients == 1)
    for client in clients { client.close() }
    #expect(served.loop.turn { served.chardev.isConnected && served.frontEnd.events.count == 3 })
    #expect(served.frontEnd.write("at last") == .transferred(7))
    #expect(next.receiveText() == "at last")
  }

  @Test("Waiting clients are counted, since their sockets do not tell them")
  func countsWhoWaits() throws {
    let served = try ServedEndpoint(.path) { $0.clients = .queue }
    func queue() -> [Int] {
      let (waiting, total) = ClientConnection.queue(of: served.chardev)
      return [waiting, Int(total)]
    }
    let first = try served.connect()
    #expect(queue() == [0, 0])
    let second = try served.connect()
    let third = try served.connect()
    #expect(queue() == [2, 2])
    second.close()
    #expect(queue() == [1, 2])
    first.close()
    #expect(served.loop.turn { queue() == [0, 2] })
    #expect(served.frontEnd.write("your turn") == .transferred(9))
    #expect(third.receiveText() == "your turn")
    let exclusive = try ServedEndpoint(.path)
    _ = try exclusive.connect()
    #expect(ClientConnection.queue(of: exclusive.chardev) == (0, 0))
  }

  @Test func whatAQueuedClientLeftIsReadInItsTurn() throws {
    let served = try ServedEndpoint(.path) { $0.clients = .queue }
    let first = try served.connect()
    for text in ["second ", "third"] {
      let client = try served.connect()
      client.send(text)
      client.close()
    }
    served.frontEnd.setWantsReadable(true)
    first.send("first ")
    #expect(served.loop.turn { served.frontEnd.text == "first " })
    first.close()
    #expect(served.loop.turn { served.frontEnd.events.count == 6 })
    #expect(served.frontEnd.text == "first second third")
  }

  @Test(
    "Whatever the policy and the socket, clients that have left exclude no other",
    arguments: SocketConfiguration.Clients.allCases, Endpoint.all)
  func deadClientsKeepNoOtherOut(
    policy: SocketConfiguration.Clients, endpoint: Endpoint
  ) throws {
    let served = try ServedEndpoint(endpoint) { $0.clients = policy }
    for _ in 0..<70 {
      let client = try served.connect()
      #expect(client.send("x"))
      client.close()
    }
    let living = try served.connect()
    living.send("living")
    #expect(served.counters.refusedClients == 0)
    served.frontEnd.setWantsReadable(true)
    #expect(served.loop.turn { served.frontEnd.received.count == 76 })
    // A broadcast's clients are heard in turn.
    if policy != .broadcast { #expect(served.frontEnd.text.hasSuffix("xliving")) }
    #expect(served.loop.turn { served.frontEnd.isConnectedNow })
    #expect(served.frontEnd.write("yours") == .transferred(5))
    #expect(living.receiveText() == "yours")
    #expect(served.counters.refusedClients == 0)
  }

  @Test(arguments: Endpoint.all)
  func aNewcomerTakesOver(of endpoint: Endpoint) throws {
    let served = try ServedEndpoint(endpoint) { $0.clients = .takeover }
    let first = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    #expect(served.frontEnd.write("for the first") == .transferred(13))
    let second = try served.connectUnnoticed()
    #expect(served.hears([.connected, .disconnected, .connected]))
    #expect(first.receiveText() == "for the first")
    #expect(first.isAtEnd)
    #expect(served.frontEnd.write("for the second") == .transferred(14))
    #expect(second.receiveText() == "for the second")
    #expect(served.counters.dismissedClients == 1)
    #expect(served.counters.refusedClients == 0)
  }

  /// One that has left by itself is read to its end first.
  @Test func aNewcomerWaitsForWhatADepartedClientLeft() throws {
    let served = try ServedEndpoint(.path) { $0.clients = .takeover }
    let first = try served.connect()
    first.send("left")
    first.close()
    served.loop.settle()
    let second = try served.connect()
    let third = try served.connect()
    #expect(second.isAtEnd)
    #expect(served.frontEnd.events == [.connected])
    served.frontEnd.setWantsReadable(true)
    #expect(served.hears([.connected, .disconnected, .connected]))
    #expect(served.frontEnd.text == "left")
    #expect(served.frontEnd.write("third") == .transferred(5))
    #expect(third.receiveText() == "third")
  }

  @Test(arguments: [SocketConfiguration.Clients.queue, .takeover, .broadcast])
  func thousandsOfNewcomersLeaveNothingBehind(under policy: SocketConfiguration.Clients) throws {
    let served = try ServedEndpoint(.path) { $0.clients = policy }
    served.frontEnd.setWantsReadable(true)
    let path = served.directory["port0"]
    for round in 0..<3000 {
      let client = try #require(SocketClient(at: path))
      if round % 3 == 0 { client.send("ping") }
      if round % 7 == 0 { served.frontEnd.write("pong") }
      if round % 2 == 0 { served.loop.turn(timeoutMilliseconds: 0) }
      client.close()
      if round % 10 == 0 { served.loop.settle() }
    }
    #expect(
      served.loop.turn {
        served.counters.acceptedClients + served.counters.refusedClients == 3000
          && !served.chardev.isConnected
      })
    #expect(openSockets(boundTo: path).count == 1, "the listener alone")
    #expect(served.loop.sleepsThroughATurn())
  }
}
