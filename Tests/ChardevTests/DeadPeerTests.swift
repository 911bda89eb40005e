import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// TCP peers whose host is gone without a word: here, peers that drop every packet that comes.
@Suite(.timeLimit(.minutes(2)))
struct DeadPeerTests {
  private func serve(keepalive: Int, _ change: (inout SocketConfiguration) -> Void = { _ in })
    throws
    -> ServedEndpoint
  {
    try ServedEndpoint(.tcp) {
      $0.keepaliveSeconds = keepalive
      change(&$0)
    }
  }

  /// This process's end of the connection that a client of the endpoint has.
  private func acceptedSocket(of client: SocketClient) throws -> Int32 {
    let address = try #require(SocketAddress.local(of: client.descriptor))
    return try #require((0..<1024).first { SocketAddress.peer(of: $0) == address })
  }

  @Test("A peer is watched by default, and found dead within a minute")
  func isWatchedByDefault() throws {
    let served = try ServedEndpoint(.tcp)
    let client = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    let socket = try acceptedSocket(of: client)
    func option(_ name: Int32) -> Int {
      Int(FileDescriptor.socketOption(socket, name, of: IPPROTO_TCP) ?? 0)
    }
    #expect(FileDescriptor.socketOption(socket, SO_KEEPALIVE) == 1)
    #expect((1...60_000).contains(option(TCP_USER_TIMEOUT)))
    #expect((1...60).contains(option(TCP_KEEPIDLE) + 4 * option(TCP_KEEPINTVL)))
  }

  @Test(
    "A dead peer's place is free, whether or not bytes are on their way",
    arguments: ["", "unheard"])
  func findsTheDead(text: String) throws {
    let served = try serve(keepalive: 2)
    let client = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    try client.dropAllPackets()
    if !text.isEmpty { #expect(served.frontEnd.write(text) == .transferred(text.utf8.count)) }
    #expect(try served.connect().isAtEnd, "not known to be dead yet")
    #expect(served.hears([.connected, .disconnected]))
    let next = try served.connectUnnoticed()
    #expect(served.hears([.connected, .disconnected, .connected]))
    #expect(served.frontEnd.write("yours") == .transferred(5))
    #expect(next.receiveText() == "yours")
  }

  /// Writes until the peer's host and this one take no more; returns how many bytes that were.
  private func fill(_ served: ServedEndpoint) -> Int {
    let block = [UInt8](repeating: 1, count: 65536)
    var written = 0
    for _ in 0..<50 {
      while case .transferred(let count) = served.frontEnd.write(block) { written += count }
      served.loop.turn(timeoutMilliseconds: 5)
    }
    return written
  }

  @Test(
    "A peer that lives and does not read stays, and gets all; one that dies then is found",
    arguments: [SocketConfiguration.Clients.exclusive, .broadcast])
  func tellsTheSlowFromTheDead(policy: SocketConfiguration.Clients) throws {
    let served = try serve(keepalive: 4) { $0.clients = policy }
    let client = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    let count = fill(served)
    let patient = milliseconds() + 10_000
    while milliseconds() < patient { served.loop.turn(timeoutMilliseconds: 100) }
    #expect(served.frontEnd.events == [.connected])
    var received = 0
    #expect(
      served.loop.turn {
        received += client.receive(1 << 20, waits: false).count
        return received == count
      })
    _ = fill(served)
    try client.dropAllPackets()
    #expect(served.hears([.connected, .disconnected]))
  }

  @Test("keepalive=0: no peer is taken for dead")
  func isSwitchedOff() throws {
    let served = try serve(keepalive: 0)
    let client = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    let socket = try acceptedSocket(of: client)
    #expect(FileDescriptor.socketOption(socket, SO_KEEPALIVE) == 0)
    #expect(FileDescriptor.socketOption(socket, TCP_USER_TIMEOUT, of: IPPROTO_TCP) == 0)
  }

  @Test("A socket that connects finds its dead server, and connects again")
  func connectsAgain() throws {
    let listener = try ListeningSocket(at: .loopback(AF_INET), type: Int32(SOCK_STREAM.rawValue))
    let text = try #require(listener.address.text.split(separator: ":").last)
    var configuration = SocketConfiguration(
      .tcp(host: "127.0.0.1", port: try #require(UInt16(text))),
      role: .connecting(reconnectMilliseconds: 10))
    configuration.keepaliveSeconds = 2
    let chardev = try ChardevOpener().open(ChardevConfiguration(.socket(configuration)))
    defer { chardev.stop() }
    let loop = try EventLoop()
    let frontEnd = RecordingFrontEnd(chardev)
    try chardev.start(on: loop)
    #expect(loop.turn { frontEnd.events == [.connected] })
    guard case .accepted(let first) = listener.accept() else { throw Problem.noConnection }
    let server = SocketClient(adopting: first.release())
    try server.dropAllPackets()
    #expect(loop.turn { frontEnd.events == [.connected, .disconnected, .connected] })
    withExtendedLifetime(server) {}
  }

  private enum Problem: Error { case noConnection }
}

extension SocketClient {
  /// From now on its host seems to be gone: no packet is taken, none is answered.
  fileprivate func dropAllPackets() throws {
    // A socket filter (bpf(4)) of one instruction, `ret #0`.
    var instruction: (UInt16, UInt8, UInt8, UInt32) = (6, 0, 0, 0)
    let result = withUnsafePointer(to: &instruction) { instruction in
      var program = (UInt16(1), UnsafeRawPointer(instruction))
      return setsockopt(
        descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program,
        socklen_t(MemoryLayout.size(ofValue: program)))
    }
    try #require(result == 0)
  }
}
