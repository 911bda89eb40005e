import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// A front end that ends its side: by half, or the whole connection.
@Suite struct UnixSocketEndingTests {
  @Test func endOfOutputComesAfterTheBytesAndLeavesTheInputOpen() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    socket.frontEnd.setWantsReadable(true)
    socket.frontEnd.write("all of it")
    socket.server.session?.endOutput()
    socket.server.session?.endOutput()
    #expect(client.receiveText() == "all of it")
    #expect(client.isAtEnd)
    #expect(socket.frontEnd.write("more") == .disconnected)
    client.send("still talking")
    #expect(socket.loop.turn { socket.frontEnd.text == "still talking" })
    #expect(socket.frontEnd.events == [.connected])
    #expect(socket.loop.sleepsThroughATurn())
  }

  @Test func theNextClientHasAnOutputAgain() throws {
    let socket = try ServedSocket()
    let first = try socket.connect()
    socket.server.session?.endOutput()
    first.close()
    socket.loop.settle()
    let second = try socket.connect()
    #expect(socket.frontEnd.write("hello") == .transferred(5))
    #expect(second.receiveText() == "hello")
  }

  @Test func aDisconnectedClientGetsEverythingFirst() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    client.send("never read")
    let bytes = [UInt8](repeating: 120, count: 100_000)
    #expect(socket.frontEnd.write(bytes) == .transferred(100_000))
    socket.server.session?.disconnectClient()
    socket.server.session?.disconnectClient()
    #expect(socket.server.isConnected, "the loop tells the front end")
    #expect(socket.frontEnd.write("x") == .disconnected)
    #expect(socket.frontEnd.read() == .disconnected)
    socket.loop.settle()
    #expect(socket.frontEnd.events == [.connected, .disconnected])
    var received = 0
    while received < bytes.count {
      let piece = client.receive()
      if piece.isEmpty { break }
      received += piece.count
    }
    #expect(received == bytes.count)
    #expect(client.isAtEnd)
    #expect(openSockets(boundTo: socket.path).count == 1, "the listener alone")
  }

  @Test func aClientThatWaitedFollowsTheDisconnectedOne() throws {
    let socket = try ServedSocket()
    let first = try socket.connect()
    first.send("unread")
    first.close()
    socket.loop.settle()
    let second = try socket.connect()
    socket.server.session?.disconnectClient()
    socket.loop.settle()
    #expect(socket.frontEnd.events == [.connected, .disconnected, .connected])
    socket.frontEnd.write("yours")
    #expect(second.receiveText() == "yours")
  }

  @Test func endingWithoutAClientHasNoEffect() throws {
    let socket = try ServedSocket()
    socket.server.session?.endOutput()
    socket.server.session?.disconnectClient()
    socket.loop.settle()
    #expect(socket.frontEnd.events.isEmpty)
    let client = try socket.connect()
    socket.frontEnd.write("x")
    #expect(client.receiveText() == "x")
    socket.server.session?.disconnectClient()
    socket.server.stop()
    socket.loop.settle()
    #expect(socket.frontEnd.events == [.connected], "nothing after the stop")
  }

  @Test func discardsInputUpToALimit() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    #expect(socket.server.discardInput(limit: 1000) == 0)
    client.send([UInt8](repeating: 1, count: 100_000))
    let first = socket.server.discardInput(limit: 1)
    #expect(first > 0 && first < 100_000)
    #expect(socket.server.discardInput(limit: .max) == 100_000 - first)
    client.close()
    #expect(socket.server.discardInput(limit: .max) == 0)
  }
}
