import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// One client and then another: connections, and bytes both ways.
@Suite struct UnixSocketServerTests {
  @Test func tellsOfAClientThatComesAndGoes() throws {
    let socket = try ServedSocket()
    #expect(!socket.server.isConnected)
    let client = try socket.connect()
    #expect(socket.frontEnd.events == [.connected])
    client.close()
    socket.loop.settle()
    #expect(socket.frontEnd.events == [.connected, .disconnected])
    #expect(socket.loop.sleepsThroughATurn())
  }

  /// The texts of QEMU's query-chardev.
  @Test func isNamedAsInQEMU() throws {
    let socket = try ServedSocket()
    let path = socket.path
    #expect(socket.server.filename == "disconnected:unix:\(path),server=on")
    let client = try socket.connect()
    #expect(socket.server.filename == "unix:\(path),server=on")
    client.close()
    socket.loop.settle()
    #expect(socket.server.filename == "disconnected:unix:\(path),server=on")
    #expect(!socket.server.waitsForFirstClient)
  }

  @Test func carriesBytesBothWaysAndCountsThem() throws {
    let socket = try ServedSocket()
    socket.frontEnd.setWantsReadable(true)
    let client = try socket.connect()
    client.send("to the guest")
    #expect(socket.loop.turn { socket.frontEnd.text == "to the guest" })
    #expect(socket.frontEnd.write("to the host") == .transferred(11))
    #expect(client.receiveText() == "to the host")
    #expect(
      socket.server.counters
        == .init(
          acceptedClients: 1, refusedClients: 0, acceptFailures: 0, bytesRead: 12, bytesWritten: 11)
    )
  }

  @Test func gathersAndScattersMoreSegmentsThanOneCallTakes() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    var bytes = (0..<3000).map { UInt8(truncatingIfNeeded: $0) }
    let result = bytes.withUnsafeMutableBytes { bytes in
      let segments = (0..<3000).map { offset in
        iovec(iov_base: bytes.baseAddress.map { $0 + offset }, iov_len: 1)
      }
      return segments.withUnsafeBufferPointer { socket.server.write($0) }
    }
    #expect(result == .transferred(1024))
    #expect(client.receive() == Array(bytes.prefix(1024)))
    client.send(bytes)
    var read = [UInt8](repeating: 0, count: 3000)
    let readResult = read.withUnsafeMutableBytes { read in
      let segments = (0..<3000).map { offset in
        iovec(iov_base: read.baseAddress.map { $0 + offset }, iov_len: 1)
      }
      return segments.withUnsafeBufferPointer { socket.server.read(into: $0) }
    }
    #expect(readResult == .transferred(1024))
    #expect(read.prefix(1024) == bytes.prefix(1024))
  }

  @Test func readingIntoNoRoomIsNotTheEnd() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    client.send("x")
    #expect(socket.frontEnd.read(0) == .wouldBlock)
    #expect(socket.server.read(into: UnsafeBufferPointer(start: nil, count: 0)) == .wouldBlock)
    #expect(socket.frontEnd.read() == .transferred(1))
  }

  @Test func isSilentAboutUnwantedBytes() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    client.send("early")
    #expect(socket.loop.sleepsThroughATurn())
    #expect(socket.frontEnd.readableCalls == 0)
    socket.frontEnd.setWantsReadable(true)
    #expect(socket.loop.turn { socket.frontEnd.text == "early" })
  }

  /// H5: a client that floods before the guest reads fills its own socket and loses nothing.
  @Test func leavesAFloodInTheClientsSocket() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    let flood = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let sent = client.sendWhatFits(flood)
    #expect(sent > 0 && sent < flood.count)
    socket.loop.settle()
    #expect(socket.server.counters.bytesRead == 0)
    socket.frontEnd.setWantsReadable(true)
    #expect(socket.loop.turn { socket.frontEnd.received.count == sent })
    #expect(socket.frontEnd.received == Array(flood.prefix(sent)))
  }

  /// H3, H4: a client that does not read, then reads in small pieces.
  @Test func resumesWritingWhereItStopped() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    let output = (0..<600_000).map { UInt8(truncatingIfNeeded: $0 &* 17) }
    var done = 0
    func writeOn() {
      while done < output.count {
        guard case .transferred(let count) = socket.frontEnd.write(output[done...]) else { return }
        done += count
      }
      socket.frontEnd.setWantsWritable(false)
    }
    socket.frontEnd.whenWritable = writeOn
    defer { socket.frontEnd.whenWritable = {} }
    writeOn()
    #expect(done > 0 && done < output.count)
    #expect(socket.frontEnd.write("x") == .wouldBlock)
    socket.frontEnd.setWantsWritable(true)
    #expect(socket.loop.sleepsThroughATurn())
    var received: [UInt8] = []
    while received.count < output.count {
      let piece = client.receive(50_000)
      if piece.isEmpty { break }
      received += piece
      socket.loop.turn(timeoutMilliseconds: 0)
    }
    #expect(received == output)
    #expect(socket.loop.sleepsThroughATurn())
  }

  @Test func servesAClientThatConnectedBeforeTheStart() throws {
    let socket = try ServedSocket(starts: false)
    let client = try socket.connectUnnoticed()
    client.send("hello")
    socket.frontEnd.setWantsReadable(true)
    try socket.server.start(on: socket.loop)
    #expect(socket.frontEnd.events.isEmpty)
    #expect(socket.loop.turn { socket.frontEnd.text == "hello" })
  }

  /// H15: what a client that came and went before the start wrote is not lost either.
  @Test func deliversWhatAClientLeftBeforeTheStart() throws {
    let socket = try ServedSocket(starts: false)
    let client = try socket.connectUnnoticed()
    client.send("note")
    client.close()
    try socket.server.start(on: socket.loop)
    socket.frontEnd.setWantsReadable(true)
    #expect(socket.loop.turn { socket.frontEnd.events == [.connected, .disconnected] })
    #expect(socket.frontEnd.text == "note")
  }

  @Test func passesOverAClientThatCameAndWentWithNothing() throws {
    let socket = try ServedSocket(starts: false)
    try socket.connectUnnoticed().close()
    try socket.server.start(on: socket.loop)
    socket.loop.settle()
    #expect(socket.frontEnd.events.isEmpty)
    #expect(socket.server.counters.acceptedClients == 1)
    #expect(socket.loop.sleepsThroughATurn())
  }

  @Test func refusesASecondClientAtOnce() throws {
    let socket = try ServedSocket()
    socket.frontEnd.setWantsReadable(true)
    let first = try socket.connect()
    let second = try socket.connect()
    #expect(second.isAtEnd)
    #expect(socket.server.counters.refusedClients == 1)
    first.send("still here")
    #expect(socket.loop.turn { socket.frontEnd.text == "still here" })
    #expect(socket.frontEnd.events == [.connected])
    #expect(socket.frontEnd.write("me too") == .transferred(6))
    #expect(first.receiveText() == "me too")
  }

  @Test func callsNoDelegateAfterStop() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    client.send("left over")
    socket.frontEnd.setWantsReadable(true)
    socket.frontEnd.setWantsWritable(true)
    socket.server.stop()
    socket.loop.settle()
    #expect(socket.frontEnd.events == [.connected])
    #expect(socket.frontEnd.readableCalls == 0)
    #expect(!socket.server.isConnected)
    #expect(client.isAtEnd)
    #expect(socket.frontEnd.read() == .disconnected)
    #expect(socket.frontEnd.write("x") == .disconnected)
  }

  @Test func dropsAPendingDisconnectAtStop() throws {
    let socket = try ServedSocket()
    let client = try socket.connect()
    client.send("x")
    client.close()
    socket.loop.settle()
    #expect(socket.frontEnd.read() == .transferred(1))
    socket.server.stop()
    socket.loop.settle()
    #expect(socket.frontEnd.events == [.connected])
  }

  @Test(arguments: [true, false])
  func mayBeStoppedByItsDelegate(_ whenConnected: Bool) throws {
    let socket = try ServedSocket()
    let frontEnd = socket.frontEnd
    let stop = { [unowned socket] in socket.server.stop() }
    if whenConnected { frontEnd.whenConnected = stop } else { frontEnd.whenDisconnected = stop }
    frontEnd.setWantsReadable(true)
    let client = try socket.connect()
    client.close()
    socket.loop.settle()
    #expect(frontEnd.events == (whenConnected ? [.connected] : [.connected, .disconnected]))
    #expect(SocketClient(at: socket.path) == nil)
  }
}
