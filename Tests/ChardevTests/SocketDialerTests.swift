import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// Sockets that connect: once, or again and again.
@Suite(.timeLimit(.minutes(1)))
struct SocketDialerTests {
  /// A server of any kind, of which the test accepts.
  private final class Server {
    let endpoint: Endpoint
    let address: SocketAddress
    private var socket: ListeningSocket?

    init(_ endpoint: Endpoint, in directory: TemporaryDirectory, port: UInt16 = 0) throws {
      self.endpoint = endpoint
      let socket: ListeningSocket
      switch endpoint {
      case .path, .packets:
        socket = try ListeningSocket(
          path: directory["peer"], type: endpoint.type, access: SocketFileAccess())
      case .abstract:
        socket = try ListeningSocket(
          at: try SocketAddress(abstractName: directory["peer"]), type: endpoint.type)
      case .tcp, .tcp6:
        let family = endpoint == .tcp ? AF_INET : AF_INET6
        socket = try ListeningSocket(at: .loopback(family).withPort(port), type: endpoint.type)
      }
      address = socket.address
      self.socket = consume socket
    }

    func close() { socket = nil }

    /// The connection that has come, if one has.
    func accept() -> SocketClient? {
      guard let acceptance = socket?.accept(), case .accepted(let descriptor) = consume acceptance
      else { return nil }
      let flags = fcntl(descriptor.rawValue, F_GETFL)
      _ = fcntl(descriptor.rawValue, F_SETFL, flags & ~O_NONBLOCK)
      return SocketClient(adopting: descriptor.release())
    }
  }

  private func configuration(
    _ endpoint: Endpoint, _ directory: TemporaryDirectory, port: UInt16, reconnect: Int?
  ) -> ChardevConfiguration {
    let address: SocketConfiguration.Address =
      switch endpoint {
      case .path, .packets: .unix(path: directory["peer"])
      case .abstract: .abstract(name: directory["peer"])
      case .tcp: .tcp(host: "127.0.0.1", port: port)
      case .tcp6: .tcp(host: "::1", port: port)
      }
    return ChardevConfiguration(
      .socket(
        SocketConfiguration(
          address, role: .connecting(reconnectMilliseconds: reconnect),
          kind: endpoint.isPacketed ? .seqpacket : .stream)))
  }

  /// A port without a listener, most likely.
  private func freePort(_ endpoint: Endpoint) throws -> UInt16 {
    try Server(endpoint, in: try TemporaryDirectory()).address.port
  }

  @Test(arguments: Endpoint.all)
  func connectsOnceWhenItIsMade(to endpoint: Endpoint) throws {
    let directory = try TemporaryDirectory()
    let server = try Server(endpoint, in: directory)
    let chardev = try ChardevOpener().open(
      configuration(endpoint, directory, port: server.address.port, reconnect: nil))
    defer { chardev.stop() }
    let peer = try #require(server.accept())
    let loop = try EventLoop()
    let frontEnd = RecordingFrontEnd(chardev)
    frontEnd.setWantsReadable(true)
    try chardev.start(on: loop)
    #expect(frontEnd.events.isEmpty)
    peer.send("hello")
    #expect(loop.turn { frontEnd.text == "hello" })
    #expect(frontEnd.write("hi") == .transferred(2))
    #expect(peer.receiveText() == "hi")
    peer.close()
    #expect(loop.turn { frontEnd.events == [.connected, .disconnected] })
    #expect(chardev.filename.hasPrefix("disconnected:"))
    #expect(loop.sleepsThroughATurn(), "and never again")
  }

  @Test(arguments: Endpoint.all)
  func saysSoWhereNothingListens(at endpoint: Endpoint) throws {
    let directory = try TemporaryDirectory()
    let port = try endpoint == .tcp || endpoint == .tcp6 ? freePort(endpoint) : 0
    let error = #expect(throws: ChardevError.self) {
      _ = try ChardevOpener().open(
        configuration(endpoint, directory, port: port, reconnect: nil))
    }
    #expect(error?.description.contains("start who listens there first") == true)
  }

  @Test("The peer may come late, go and come back", arguments: Endpoint.all)
  func connectsAgain(to endpoint: Endpoint) throws {
    let directory = try TemporaryDirectory()
    let isInternet = endpoint == .tcp || endpoint == .tcp6
    let port = try isInternet ? freePort(endpoint) : 0
    let chardev = try ChardevOpener().open(
      configuration(endpoint, directory, port: port, reconnect: 1))
    defer { chardev.stop() }
    let loop = try EventLoop()
    let frontEnd = RecordingFrontEnd(chardev)
    frontEnd.setWantsReadable(true)
    try chardev.start(on: loop)
    #expect(loop.turn { (chardev as? SocketChardev)?.counters.connectFailures ?? 0 >= 2 })
    #expect(!chardev.isConnected)
    for round in 1...3 {
      let server = try Server(endpoint, in: directory, port: port)
      #expect(loop.turn { chardev.isConnected })
      let peer = try #require(server.accept())
      peer.send("\(round)")
      #expect(loop.turn { frontEnd.received.count == round })
      #expect(frontEnd.write("yes") == .transferred(3))
      #expect(peer.receiveText() == "yes")
      server.close()
      peer.close()
      #expect(loop.turn { !chardev.isConnected })
    }
    #expect(frontEnd.text == "123")
    #expect(frontEnd.events.count == 6)
  }

  @Test("What the last connection left is read before the next is made")
  func readsWhatWasLeftBeforeTheNext() throws {
    let directory = try TemporaryDirectory()
    let server = try Server(.path, in: directory)
    let chardev = try ChardevOpener().open(
      configuration(.path, directory, port: 0, reconnect: 1))
    defer { chardev.stop() }
    let loop = try EventLoop()
    let frontEnd = RecordingFrontEnd(chardev)
    try chardev.start(on: loop)
    #expect(loop.turn { chardev.isConnected })
    let first = try #require(server.accept())
    first.send("unread")
    first.close()
    for _ in 0..<5 { loop.turn(timeoutMilliseconds: 5) }
    #expect(server.accept() == nil)
    #expect(chardev.isConnected)
    frontEnd.setWantsReadable(true)
    #expect(loop.turn { frontEnd.events == [.connected, .disconnected, .connected] })
    #expect(frontEnd.text == "unread")
    #expect(server.accept() != nil)
  }

  /// No more than so many attempts while the time between them doubles.
  @Test func waitsLongerAfterEveryFailure() throws {
    let directory = try TemporaryDirectory()
    let chardev = try ChardevOpener().open(
      configuration(.path, directory, port: 0, reconnect: 20))
    defer { chardev.stop() }
    let loop = try EventLoop()
    try chardev.start(on: loop)
    loop.settle()
    let end = milliseconds() + 300
    while milliseconds() < end { loop.turn(timeoutMilliseconds: 10) }
    // At 0, 20, 60, 140 and 300 ms, or later.
    let failures = (chardev as? SocketChardev)?.counters.connectFailures ?? 0
    #expect((1...5).contains(failures))
  }

  @Test func anAddressThatDoesNotAnswerIsFollowedByTheNext() throws {
    let directory = try TemporaryDirectory()
    let server = try Server(.path, in: directory)
    let absent = try SocketAddress(abstractName: directory["absent"])
    let loop = try EventLoop()
    let dialer = SocketDialer(
      [absent, server.address], name: "test", isPacketed: false, tcp: TCPOptions(),
      reconnectMilliseconds: 60_000)
    let chardev = SocketChardev(dialer)
    defer { chardev.stop() }
    try chardev.start(on: loop)
    #expect(loop.turn { chardev.isConnected })
    #expect(chardev.counters.connectFailures == 1)
    #expect(server.accept() != nil)
  }

  @Test func dialsNoMoreAfterStop() throws {
    let directory = try TemporaryDirectory()
    let chardev = try ChardevOpener().open(
      configuration(.path, directory, port: 0, reconnect: 1))
    let loop = try EventLoop()
    let frontEnd = RecordingFrontEnd(chardev)
    try chardev.start(on: loop)
    loop.settle()
    chardev.stop()
    let server = try Server(.path, in: directory)
    #expect(loop.sleepsThroughATurn())
    #expect(server.accept() == nil)
    #expect(frontEnd.events.isEmpty)
  }
}
