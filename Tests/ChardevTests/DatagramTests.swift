import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// UDP: a write is a datagram, and a datagram is read in full.
@Suite(.timeLimit(.minutes(1)))
struct DatagramTests {
  /// A peer at a port of its own, which answers the one that sent last.
  private final class Peer {
    let socket: FileDescriptor
    var port: UInt16 { SocketAddress.local(of: socket.rawValue)?.port ?? 0 }

    init() throws {
      socket = try FileDescriptor(socketOf: AF_INET, type: Int32(SOCK_DGRAM.rawValue))
      let number = socket.rawValue
      try systemCall("bind") {
        SocketAddress.loopback(AF_INET).withPointer { bind(number, $0, $1) }
      }
    }

    func connect(to address: SocketAddress) throws {
      let number = socket.rawValue
      try systemCall("connect") { address.withPointer { Glibc.connect(number, $0, $1) } }
    }

    func send(_ bytes: [UInt8]) -> Int {
      Glibc.send(socket.rawValue, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// The next datagram, waited for.
    func receive() -> [UInt8]? {
      var status = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
      guard poll(&status, 1, 20_000) == 1 else { return nil }
      var bytes = [UInt8](repeating: 0, count: 1 << 17)
      let count = recv(socket.rawValue, &bytes, bytes.count, 0)
      return count < 0 ? nil : Array(bytes.prefix(count))
    }
  }

  private final class Served {
    let peer: Peer
    let loop: EventLoop
    let chardev: DatagramChardev
    let frontEnd: RecordingFrontEnd

    init() throws {
      peer = try Peer()
      loop = try EventLoop()
      chardev = try DatagramOpener(
        DatagramConfiguration(host: "127.0.0.1", port: peer.port)
      ).open()
      frontEnd = RecordingFrontEnd(chardev)
      try peer.connect(to: try #require(chardev.localAddress))
      try chardev.start(on: loop)
      #expect(loop.turn { chardev.isConnected })
    }

    deinit { chardev.stop() }
  }

  @Test func aWriteIsADatagram() throws {
    let served = try Served()
    for text in ["one", "two, longer", "3"] {
      #expect(served.frontEnd.write(text) == .transferred(text.utf8.count))
    }
    #expect(served.peer.receive() == Array("one".utf8))
    #expect(served.peer.receive() == Array("two, longer".utf8))
    #expect(served.peer.receive() == Array("3".utf8))
    #expect(served.chardev.filename == "udp")
  }

  @Test func aLongWriteIsCut() throws {
    let served = try Served()
    let bytes = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
    #expect(served.frontEnd.write(bytes) == .transferred(65507))
    #expect(served.peer.receive() == Array(bytes.prefix(65507)))
  }

  @Test func aDatagramIsReadInFullAndAlone() throws {
    let served = try Served()
    let first = (0..<60_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    #expect(served.peer.send(first) == first.count)
    #expect(served.peer.send([]) == 0)
    #expect(served.peer.send([1, 2, 3]) == 3)
    served.frontEnd.readLimit = 999
    served.frontEnd.setWantsReadable(true)
    #expect(served.loop.turn { served.frontEnd.received.count == first.count + 3 })
    #expect(served.frontEnd.received == first + [1, 2, 3])
    #expect(served.loop.sleepsThroughATurn())
  }

  @Test("A peer that is not there, as ICMP tells, may come back")
  func errorsDisconnectNoPeer() throws {
    let peer = try Peer()
    let port = peer.port
    var absent: Peer? = try Peer()
    let absentPort = try #require(absent?.port)
    absent = nil
    #expect(port != absentPort)
    let loop = try EventLoop()
    let chardev = try DatagramOpener(
      DatagramConfiguration(host: "127.0.0.1", port: absentPort)
    ).open()
    defer { chardev.stop() }
    let frontEnd = RecordingFrontEnd(chardev)
    frontEnd.setWantsReadable(true)
    try chardev.start(on: loop)
    #expect(loop.turn { chardev.isConnected })
    for _ in 0..<20 {
      #expect(frontEnd.write("anybody?") == .transferred(8))
      loop.turn(timeoutMilliseconds: 0)
      #expect(frontEnd.read() == .wouldBlock)
    }
    loop.settle()
    #expect(frontEnd.events == [.connected])
    #expect(loop.sleepsThroughATurn())
  }

  @Test func hearsItsPeerAlone() throws {
    let served = try Served()
    let stranger = try Peer()
    try stranger.connect(to: try #require(served.chardev.localAddress))
    _ = stranger.send([9])
    #expect(served.peer.send([1]) == 1)
    served.frontEnd.setWantsReadable(true)
    #expect(served.loop.turn { served.frontEnd.received == [1] })
    served.loop.settle()
    #expect(served.frontEnd.received == [1])
  }

  @Test func refusesWhatCannotBe() throws {
    for configuration in [
      DatagramConfiguration(host: "127.0.0.1", port: 0),
      DatagramConfiguration(host: "not a host", port: 1),
      DatagramConfiguration(host: "127.0.0.1", port: 9, localHost: "192.0.2.1"),
      DatagramConfiguration(host: "127.0.0.1", port: 9, localHost: "::1"),
    ] {
      #expect(throws: ChardevError.self) {
        _ = try ChardevOpener().open(ChardevConfiguration(.datagram(configuration)))
      }
    }
  }
}
