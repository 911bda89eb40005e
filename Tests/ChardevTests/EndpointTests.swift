import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// What holds for listening sockets of every kind: paths, abstract names, packets, TCP over both
/// internet protocols.
@Suite(.timeLimit(.minutes(1)))
struct EndpointTests {
  @Test(arguments: Endpoint.all)
  func carriesBytesBothWays(of endpoint: Endpoint) throws {
    let served = try ServedEndpoint(endpoint)
    served.frontEnd.setWantsReadable(true)
    #expect(served.chardev.filename.hasPrefix("disconnected:"))
    let client = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    #expect(!served.chardev.filename.hasPrefix("disconnected:"))
    client.send("to the guest")
    #expect(served.loop.turn { served.frontEnd.text == "to the guest" })
    #expect(served.frontEnd.write("to the host") == .transferred(11))
    #expect(client.receiveText() == "to the host")
    client.close()
    #expect(served.hears([.connected, .disconnected]))
    #expect(served.loop.sleepsThroughATurn())
    #expect(served.frontEnd.callsFromInside == 0)
  }

  @Test(
    "H2: a second client is closed at once, and the first is undisturbed", arguments: Endpoint.all)
  func refusesASecondClient(of endpoint: Endpoint) throws {
    let served = try ServedEndpoint(endpoint)
    let first = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    let second = try served.connectUnnoticed()
    #expect(served.loop.turn { served.counters.refusedClients == 1 })
    #expect(second.isAtEnd)
    #expect(served.frontEnd.write("still here") == .transferred(10))
    #expect(first.receiveText() == "still here")
  }

  @Test("H16: the last bytes and the end together", arguments: Endpoint.all)
  func readsWhatWasLeft(of endpoint: Endpoint) throws {
    let served = try ServedEndpoint(endpoint)
    let client = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    client.send("last words")
    client.close()
    served.loop.settle()
    #expect(served.chardev.isConnected)
    #expect(served.loop.sleepsThroughATurn())
    served.frontEnd.readLimit = 4
    served.frontEnd.setWantsReadable(true)
    #expect(served.hears([.connected, .disconnected]))
    #expect(served.frontEnd.text == "last words")
  }

  @Test("H7: a client that resets the connection is one that has left", arguments: Endpoint.all)
  func takesAResetForAnEnd(of endpoint: Endpoint) throws {
    let served = try ServedEndpoint(endpoint)
    let client = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    #expect(served.frontEnd.write("never read") == .transferred(10))
    // What lies unread in a TCP socket makes its closing a reset.
    var status = pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)
    #expect(poll(&status, 1, 20_000) == 1)
    client.close()
    #expect(served.hears([.connected, .disconnected]))
    #expect(served.frontEnd.write("x") == .disconnected)
    #expect(served.loop.sleepsThroughATurn())
  }

  @Test("H3, H12: a client that does not read holds the writer back", arguments: Endpoint.all)
  func holdsBackForASlowReader(of endpoint: Endpoint) throws {
    let served = try ServedEndpoint(endpoint)
    let client = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    let piece = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 17) }
    var written: [UInt8] = []
    while case .transferred(let count) = served.frontEnd.write(piece) {
      written += piece.prefix(count)
      if written.count > 64 << 20 { break }
    }
    #expect(written.count < 64 << 20)
    var isWritable = false
    served.frontEnd.whenWritable = { isWritable = true }
    served.frontEnd.setWantsWritable(true)
    var received: [UInt8] = []
    while received.count < written.count {
      let more = client.receive(60_000)
      if more.isEmpty { break }
      received += more
    }
    #expect(received == written)
    #expect(served.loop.turn { isWritable })
    served.frontEnd.whenWritable = {}
  }

  @Test(
    "H1: ten thousand connections, or two thousand by TCP, each noticed in its turn",
    arguments: Endpoint.all)
  func survivesAStorm(of endpoint: Endpoint) throws {
    let served = try ServedEndpoint(endpoint)
    served.frontEnd.setWantsReadable(true)
    // TCP keeps each closed connection in mind for a minute.
    let count = endpoint == .tcp || endpoint == .tcp6 ? 2000 : 10_000
    let address = try served.address
    for round in 0..<count {
      let client = try #require(SocketClient(at: address, type: endpoint.type))
      if round % 3 == 0 { client.send("ping") }
      if round % 5 == 0 { served.loop.turn(timeoutMilliseconds: 0) }
      client.close()
      // Never more behind than the backlog holds, or a connect would wait for this very thread.
      if round % 20 == 0 { served.loop.settle() }
    }
    #expect(
      served.loop.turn {
        let counters = served.counters
        return counters.acceptedClients + counters.refusedClients == count
          && !served.chardev.isConnected
      })
    for (index, event) in served.frontEnd.events.enumerated() {
      #expect(event == (index % 2 == 0 ? .connected : .disconnected))
    }
    #expect(!served.frontEnd.received.isEmpty)
    #expect(served.loop.sleepsThroughATurn())
  }

  @Test(
    "wait=on: the start is held until the first client, and never again", arguments: Endpoint.all)
  func holdsTheStart(of endpoint: Endpoint) throws {
    let served = try ServedEndpoint(endpoint) { $0.role = .listening(waitsForClient: true) }
    #expect(served.chardev.session?.waitsForFirstClient == true)
    let client = try served.connectUnnoticed()
    #expect(served.loop.turn { served.chardev.session?.waitsForFirstClient == false })
    client.close()
    #expect(served.hears([.connected, .disconnected]))
    #expect(served.chardev.session?.waitsForFirstClient == false)
  }

  @Test(
    "H6: over TCP, where a client that has gone writes no more, the end of its output is its end")
  func aHalfClosedTCPClientHasLeft() throws {
    let served = try ServedEndpoint(.tcp)
    let client = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    client.send("question")
    client.shutDown(SHUT_WR)
    served.loop.settle()
    #expect(served.chardev.isConnected)
    served.frontEnd.setWantsReadable(true)
    #expect(served.hears([.connected, .disconnected]))
    #expect(served.frontEnd.text == "question")
    #expect(client.isAtEnd)
  }

  @Test(
    "A client that is closed with bytes unread gets what was written, and an end",
    arguments: Endpoint.all)
  func endsWithoutAReset(of endpoint: Endpoint) throws {
    let served = try ServedEndpoint(endpoint)
    let client = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    client.send("never read")
    served.loop.settle()
    #expect(served.frontEnd.write("goodbye") == .transferred(7))
    served.chardev.stop()
    #expect(client.receiveText() == "goodbye")
    var byte: UInt8 = 0
    #expect(recv(client.descriptor, &byte, 1, 0) == 0, "an end, and no reset")
  }

  @Test func namesBothEndsOfATCPConnection() throws {
    let served = try ServedEndpoint(.tcp)
    let before = served.chardev.filename
    let client = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    let own = try #require(SocketAddress.local(of: client.descriptor))
    #expect(before == "disconnected:tcp:127.0.0.1:\(try served.address.port),server=on")
    #expect(served.chardev.filename == "\(before.dropFirst(13)) <-> \(own.text)")
  }
}
