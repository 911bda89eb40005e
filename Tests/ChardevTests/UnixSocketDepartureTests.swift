import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// Clients that leave, wholly or by half, and what they leave behind.
@Suite struct UnixSocketDepartureTests {
  /// H16: data and end arrive together.
  @Test func holdsAConnectionUntilItsBytesAreRead() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    client.send("last words")
    client.close()
    socket.loop.settle()
    #expect(socket.frontEnd.events == [.connected])
    #expect(socket.server.isConnected)
    #expect(socket.loop.sleepsThroughATurn())
    socket.frontEnd.readLimit = 4
    socket.frontEnd.setWantsReadable(true)
    #expect(socket.loop.turn { socket.frontEnd.events == [.connected, .disconnected] })
    #expect(socket.frontEnd.text == "last words")
    #expect(socket.loop.sleepsThroughATurn())
  }

  /// A front end that has just as much room as there are bytes, and then none.
  @Test func noticesTheLastByteThoughNoMoreIsWanted() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    client.send("exact")
    client.close()
    socket.loop.settle()
    #expect(socket.frontEnd.read(5) == .transferred(5))
    #expect(socket.server.isConnected)
    #expect(socket.loop.turn { socket.frontEnd.events == [.connected, .disconnected] })
  }

  @Test func noticesAnEmptyDepartureThoughNothingIsWanted() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    client.send("read before")
    #expect(socket.frontEnd.read() == .transferred(11))
    client.close()
    socket.loop.settle()
    #expect(socket.frontEnd.events == [.connected, .disconnected])
  }

  /// H16 with the write first: it fails, and what the client sent is read all the same.
  @Test func readsWhatIsLeftAfterAWriteHasFailed() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    client.send("before leaving")
    client.close()
    #expect(socket.frontEnd.write("too late") == .disconnected)
    #expect(socket.frontEnd.write("too late") == .disconnected)
    #expect(socket.server.isConnected)
    socket.frontEnd.setWantsWritable(true)
    socket.loop.settle()
    #expect(socket.frontEnd.writableCalls == 0)
    socket.frontEnd.setWantsReadable(true)
    #expect(socket.loop.turn { socket.frontEnd.events == [.connected, .disconnected] })
    #expect(socket.frontEnd.text == "before leaving")
  }

  /// H7: the peer closes with bytes unread, which resets the connection.
  @Test(arguments: [true, false])
  func takesAResetForAnEnd(_ wantsReadable: Bool) throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    #expect(socket.frontEnd.write("never read") == .transferred(10))
    socket.frontEnd.setWantsReadable(wantsReadable)
    client.close()
    socket.loop.settle()
    #expect(socket.frontEnd.events == [.connected, .disconnected])
    #expect(socket.frontEnd.write("x") == .disconnected)
    #expect(socket.loop.sleepsThroughATurn())
  }

  @Test func readsWhatWasSentBeforeAReset() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    #expect(socket.frontEnd.write("never read") == .transferred(10))
    client.send("sent before")
    client.close()
    socket.loop.settle()
    socket.frontEnd.setWantsReadable(true)
    #expect(socket.loop.turn { socket.frontEnd.events == [.connected, .disconnected] })
    #expect(socket.frontEnd.text == "sent before")
  }

  /// H6: the client writes no more, and still reads.
  @Test func stillWritesToAClientThatOnlyStoppedWriting() throws {
    let socket = try ServedSocket()
    socket.frontEnd.setWantsReadable(true)
    let client = try socket.connect()
    client.send("question")
    client.shutDown(SHUT_WR)
    #expect(socket.loop.turn { socket.frontEnd.text == "question" })
    socket.loop.settle()
    #expect(socket.loop.sleepsThroughATurn())
    #expect(socket.frontEnd.events == [.connected])
    #expect(socket.frontEnd.write("answer") == .transferred(6))
    #expect(client.receiveText() == "answer")
    client.close()
    socket.loop.settle()
    #expect(socket.frontEnd.events == [.connected, .disconnected])
  }

  @Test func doesNotSpinOnAHalfClosedClientThatIsNotRead() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    client.send("unread")
    client.shutDown(SHUT_WR)
    socket.loop.settle()
    #expect(socket.loop.sleepsThroughATurn())
    #expect(socket.frontEnd.read() == .transferred(6))
    #expect(socket.frontEnd.read() == .wouldBlock)
    #expect(socket.server.isConnected)
  }

  /// H6: the client reads no more, and still writes.
  @Test func stillReadsAClientThatOnlyStoppedReading() throws {
    let socket = try ServedSocket()
    socket.frontEnd.setWantsReadable(true)
    let client = try socket.connect()
    client.shutDown(SHUT_RD)
    #expect(socket.frontEnd.write("unheard") == .disconnected)
    socket.frontEnd.setWantsWritable(true)
    socket.loop.settle()
    #expect(socket.frontEnd.writableCalls == 0)
    client.send("still talking")
    #expect(socket.loop.turn { socket.frontEnd.text == "still talking" })
    #expect(socket.frontEnd.events == [.connected])
    client.close()
    #expect(socket.loop.turn { socket.frontEnd.events == [.connected, .disconnected] })
  }

  @Test func aNewcomerWaitsUntilTheDepartedOnesBytesAreRead() throws {
    let socket = try ServedSocket()
    let first = try socket.connect()
    first.send("first")
    first.close()
    let second = try socket.connect()
    second.send("second")
    let third = try socket.connect()
    #expect(third.isAtEnd)
    #expect(socket.server.counters.refusedClients == 1)
    #expect(socket.frontEnd.events == [.connected])
    #expect(socket.loop.sleepsThroughATurn())
    #expect(socket.frontEnd.read() == .transferred(5))
    #expect(socket.frontEnd.text == "first")
    #expect(socket.loop.turn { socket.frontEnd.events.count == 3 })
    #expect(socket.frontEnd.events == [.connected, .disconnected, .connected])
    #expect(socket.frontEnd.read() == .transferred(6))
    #expect(socket.frontEnd.text == "firstsecond")
    #expect(socket.frontEnd.write("hello second") == .transferred(12))
    #expect(second.receiveText() == "hello second")
  }

  @Test(
    "Clients that have left exclude no other: all is read in order, and the living one is served")
  func onlyALivingClientExcludes() throws {
    let socket = try ServedSocket()
    for number in 0..<100 {
      let client = try socket.connect()
      #expect(client.send("\(number);"))
      client.close()
    }
    let living = try socket.connect()
    living.send("living")
    #expect(socket.server.counters.refusedClients == 0)
    #expect(openSockets(boundTo: socket.path).count < 6, "the rest waits in the backlog")
    #expect(socket.loop.sleepsThroughATurn())
    socket.frontEnd.setWantsReadable(true)
    #expect(socket.loop.turn { socket.frontEnd.text.hasSuffix("living") })
    #expect(socket.frontEnd.events.count == 201)
    #expect(socket.frontEnd.text == (0..<100).map { "\($0);" }.joined() + "living")
    #expect(socket.frontEnd.write("yours") == .transferred(5))
    #expect(living.receiveText() == "yours")
    #expect(try socket.connect().isAtEnd, "since one is connected")
    #expect(socket.server.counters.refusedClients == 1)
    #expect(socket.loop.sleepsThroughATurn())
  }

  @Test(
    "A client of this process is not refused for some that have left, and is for a flood of them")
  func boundsWhatClientsOfThisProcessLeave() throws {
    let socket = try ServedSocket()
    var taken = 0
    for _ in 0..<100 {
      guard let descriptor = try? socket.server.takeClient() else { continue }
      let client = SocketClient(adopting: descriptor.release())
      client.send("x")
      client.close()
      taken += 1
    }
    #expect((16..<100).contains(taken))
    socket.frontEnd.setWantsReadable(true)
    #expect(socket.loop.turn { socket.frontEnd.received.count == taken })
    #expect(socket.loop.turn { !socket.server.isConnected })
    _ = try socket.server.takeClient()
  }

  @Test func aWaitingClientThatLeftNothingMakesRoom() throws {
    let socket = try ServedSocket()
    let first = try socket.connect()
    first.send("first")
    first.close()
    try socket.connect().close()
    let third = try socket.connect()
    third.send("third")
    #expect(socket.server.counters.refusedClients == 0)
    socket.frontEnd.setWantsReadable(true)
    #expect(socket.loop.turn { socket.frontEnd.text == "firstthird" })
    #expect(socket.frontEnd.events == [.connected, .disconnected, .connected])
  }

  @Test func deliversWhatAWaitingClientLeft() throws {
    let socket = try ServedSocket()
    for text in ["first", "second"] {
      let client = try socket.connect()
      client.send(text)
      client.close()
    }
    socket.frontEnd.setWantsReadable(true)
    #expect(socket.loop.turn { socket.frontEnd.events.count == 4 })
    #expect(
      socket.frontEnd.events == [.connected, .disconnected, .connected, .disconnected])
    #expect(socket.frontEnd.text == "firstsecond")
  }

  /// The old client's end and the new client's arrival are both there before the loop looks.
  @Test func takesANewcomerThatComesRightAfterADeparture() throws {
    let socket = try ServedSocket()
    let first = try socket.connect()
    first.close()
    let second = try socket.connectUnnoticed()
    socket.loop.settle()
    #expect(socket.frontEnd.events == [.connected, .disconnected, .connected])
    #expect(socket.server.counters.refusedClients == 0)
    #expect(socket.frontEnd.write("hi") == .transferred(2))
    #expect(second.receiveText() == "hi")
  }
}
