import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// Whether this kernel refuses descriptors where it is asked to.
private enum Refusal {
  static let isPossible: Bool = {
    guard let socket = try? FileDescriptor(socketOf: AF_UNIX, type: Int32(SOCK_STREAM.rawValue))
    else { return false }
    return FileDescriptor.socketOption(socket.rawValue, 83) != nil
  }()
}

/// Descriptors that a port's peer passes along (SCM_RIGHTS): closing the last reference may take as
/// long as the peer likes (SO_LINGER), so the kernel is asked to refuse them.
@Suite(
  .timeLimit(.minutes(1)),
  .enabled(if: Refusal.isPossible, "skipped: this kernel lacks SO_PASSRIGHTS (6.16)"))
struct PassedDescriptorTests {
  /// Sends bytes with a descriptor; the errno, 0 for success.
  private func pass(through socket: Int32) -> Int32 {
    passDescriptor(STDERR_FILENO, along: "x", on: socket)
  }

  @Test("A client of a listening socket, accepted or not", arguments: Endpoint.unixSockets)
  func refusesClients(of endpoint: Endpoint) throws {
    let served = try ServedEndpoint(endpoint)
    served.frontEnd.setWantsReadable(true)
    let client = try served.connectUnnoticed()
    #expect(pass(through: client.descriptor) == EPERM)
    #expect(served.hears([.connected]))
    #expect(pass(through: client.descriptor) == EPERM)
    client.send("bytes alone")
    #expect(served.loop.turn { served.frontEnd.text == "bytes alone" })
  }

  @Test("A client that an inner connection is made for")
  func refusesInnerClients() throws {
    let served = try ServedEndpoint(.path)
    let client = try ClientConnection.open(to: served.chardev)
    #expect(pass(through: client.rawValue) == EPERM)
  }

  @Test("Which address a socket connects to", arguments: [nil, 1000])
  func refusesServers(reconnect: Int?) throws {
    let directory = try TemporaryDirectory()
    let listener = try ListeningSocket(path: directory["s"])
    let chardev = try ChardevOpener().open(
      ChardevConfiguration(
        .socket(
          SocketConfiguration(
            .unix(path: directory["s"]), role: .connecting(reconnectMilliseconds: reconnect)))))
    defer { chardev.stop() }
    let loop = try EventLoop()
    try chardev.start(on: loop)
    #expect(loop.turn { chardev.isConnected })
    guard case .accepted(let peer) = listener.accept() else {
      Issue.record("no client came")
      return
    }
    #expect(pass(through: peer.rawValue) == EPERM)
  }

  @Test("Which peer an inherited socket has", arguments: [SOCK_STREAM, SOCK_DGRAM])
  func refusesPeersOfInheritedSockets(type: __socket_type) throws {
    var pair: [Int32] = [0, 0]
    #expect(socketpair(AF_UNIX, Int32(type.rawValue), 0, &pair) == 0)
    let peer = SocketClient(adopting: pair[1])
    let chardev = try ChardevOpener().open(ChardevConfiguration(.descriptor(.number(pair[0]))))
    defer { chardev.stop() }
    #expect(pass(through: peer.descriptor) == EPERM)
  }

  @Test("A client of an inherited listening socket")
  func refusesClientsOfInheritedSockets() throws {
    let directory = try TemporaryDirectory()
    let place = try SocketPath(directory["given"])
    let number = try place.makeListener(access: SocketFileAccess(), takesDescriptors: true)
      .release()
    _ = fcntl(number, F_SETFD, 0)
    let early = try #require(SocketClient(at: place.path))
    let chardev = try ChardevOpener().open(ChardevConfiguration(.descriptor(.number(number))))
    defer { chardev.stop() }
    let late = try #require(SocketClient(at: place.path))
    #expect(pass(through: late.descriptor) == EPERM)
    let loop = try EventLoop()
    try chardev.start(on: loop)
    #expect(loop.turn { chardev.isConnected })
    #expect(pass(through: early.descriptor) == EPERM)
  }

  @Test("A program on a port", .enabled(if: access("/usr/bin/python3", X_OK) == 0))
  func refusesPrograms() throws {
    let script =
      "import socket; s = socket.socket(fileno=0)\ntry: socket.send_fds(s, [b\\\"x\\\"], [2])\n"
      + "except PermissionError: s.send(b\\\"refused\\\")"
    let chardev = try ChardevOpener().open(
      ChardevConfiguration(.program(command: "exec /usr/bin/python3 -c \"\(script)\"")))
    let loop = try EventLoop()
    defer {
      chardev.stop()
      loop.drain(limitMilliseconds: 30_000)
    }
    let frontEnd = RecordingFrontEnd(chardev)
    frontEnd.setWantsReadable(true)
    try chardev.start(on: loop)
    #expect(loop.turn { !frontEnd.received.isEmpty })
    #expect(frontEnd.text == "refused")
  }

  @Test func controlSocketsTakeDescriptors() throws {
    let directory = try TemporaryDirectory()
    let service = try ServiceSocket(SocketConfiguration(.unix(path: directory["qmp"])))
    let client = try #require(SocketClient(at: directory["qmp"]))
    #expect(pass(through: client.descriptor) == 0)
    withExtendedLifetime(service) {}
  }
}
