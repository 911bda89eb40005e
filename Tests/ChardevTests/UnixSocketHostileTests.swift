import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// Clients that mean no good, and a host short of everything.
@Suite struct UnixSocketHostileTests {
  /// H1: ten thousand short connections, with data and without, while the front end reads.
  @Test func keepsOrderThroughAStormOfConnections() throws {
    let socket = try ServedSocket()
    let frontEnd = socket.frontEnd
    frontEnd.setWantsReadable(true)
    var sent = 0
    var connected: UInt64 = 0
    for round in 0..<10_000 {
      guard let client = SocketClient(at: socket.path) else { continue }
      connected += 1
      if round % 3 != 0, client.send("ping") { sent += 4 }
      if round % 2 == 0 { socket.loop.turn(timeoutMilliseconds: 0) }
      client.close()
      // Never more behind than the backlog holds, or a connect would wait for this very thread.
      if round % 20 == 0 { socket.loop.settle() }
      if round % 7 == 0 { frontEnd.write("pong") }
    }
    #expect(
      socket.loop.turn {
        let counters = socket.server.counters
        return counters.acceptedClients + counters.refusedClients == connected
          && frontEnd.events.last != .connected
      })
    #expect(connected == 10_000)
    for (index, event) in frontEnd.events.enumerated() {
      #expect(event == (index % 2 == 0 ? .connected : .disconnected))
    }
    #expect(frontEnd.callsFromInside == 0)
    #expect(frontEnd.received.count <= sent)
    #expect(frontEnd.received.count > 0)
    #expect(socket.loop.sleepsThroughATurn())
  }

  /// The same from another thread, as fast as it can.
  @Test(.timeLimit(.minutes(1)))
  func leaksNoDescriptorInAStorm() throws {
    let socket = try ServedSocket()
    socket.frontEnd.setWantsReadable(true)
    let path = socket.path
    let remote = socket.loop.remote
    let thread = try Thread(name: "storm") {
      for round in 0..<3000 {
        guard let client = SocketClient(at: path) else { continue }
        if round % 2 == 0 { client.send("x") }
      }
      remote.stop()
    }
    socket.loop.run()
    thread.join()
    let areAllServed = socket.loop.turn {
      let counters = socket.server.counters
      return counters.acceptedClients + counters.refusedClients == 3000
        && !socket.server.isConnected
    }
    #expect(areAllServed)
    #expect(socket.frontEnd.events.count % 2 == 0)
    #expect(socket.frontEnd.received.count > 0)
    // The listener alone.
    #expect(openSockets(boundTo: path).count == 1)
  }

  /// H9: no descriptors left to accept with. In a process of its own, which alone goes short.
  @Test(.timeLimit(.minutes(1)))
  func restsAndTriesAgainWhenAcceptFails() async {
    await #expect(processExitsWith: .exitCode(0)) {
      exit(try goShortOfDescriptors())
    }
  }

  /// H11: descriptors that come along are not kept, where the kernel lets them come.
  @Test func dropsDescriptorsThatAClientPasses() throws {
    let socket = try ServedSocket()
    socket.frontEnd.setWantsReadable(true)
    let client = try socket.connect()
    let place = "\(socket.path)-passed"
    let passed = try SocketChardev(path: place)
    let listener = try #require(openSockets(boundTo: place).first)
    for _ in 0..<10 {
      let reason = passDescriptor(listener, along: "data", on: client.descriptor)
      if reason == EPERM { client.send("data") }
    }
    #expect(socket.loop.turn { socket.frontEnd.received.count == 40 })
    #expect(openSockets(boundTo: place) == [listener])
    passed.stop()
  }

  /// H11: urgent data is no data of the stream, and disturbs none.
  @Test func survivesUrgentData() throws {
    let socket = try ServedSocket()
    socket.frontEnd.setWantsReadable(true)
    let client = try socket.connect()
    client.send("before ")
    // Refused by kernels without it, which is as good.
    #expect(send(client.descriptor, "!", 1, Int32(MSG_OOB | MSG_NOSIGNAL)) == 1)
    client.send("after")
    #expect(socket.loop.turn { socket.frontEnd.text.hasSuffix("after") })
    #expect(send(client.descriptor, "!", 1, Int32(MSG_OOB | MSG_NOSIGNAL)) == 1)
    socket.loop.settle()
    client.close()
    #expect(socket.loop.turn { socket.frontEnd.events == [.connected, .disconnected] })
  }
}

/// Serves with no descriptor to be had, then with some again; returns 0 if all is well.
private func goShortOfDescriptors() throws -> Int32 {
  let socket = try ServedSocket()
  let client = try socket.connectUnnoticed()
  let resource = __rlimit_resource_t(7)  // RLIMIT_NOFILE, which is imported as another type
  var limit = rlimit()
  getrlimit(resource, &limit)
  let former = limit
  limit.rlim_cur = rlim_t(3)
  setrlimit(resource, &limit)
  var turns = 0
  let end = milliseconds() + 350
  while milliseconds() < end {
    socket.loop.turn(timeoutMilliseconds: 50)
    turns += 1
  }
  let failures = socket.server.counters.acceptFailures
  limit = former
  setrlimit(resource, &limit)
  guard (1...5).contains(failures), turns < 30, socket.frontEnd.events.isEmpty else { return 1 }
  guard socket.loop.turn(until: { socket.server.isConnected }) else { return 2 }
  guard socket.frontEnd.write("sorry") == .transferred(5) else { return 3 }
  return client.receiveText() == "sorry" ? 0 : 4
}
