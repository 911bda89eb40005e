import Chardev
import Glibc
import Host
import TestSupport
import Testing

@testable import Control
@testable import SwiftVM

/// Clients that send and leave without reading.
@Suite(ControlRig.requirement)
struct DepartureTests {
  private let rig: ControlRig

  init() throws { rig = try ControlRig() }

  /// Each adds a port.
  private let commands = String(
    repeating: #"{"execute":"device_add","arguments":{"driver":"virtserialport"}}"# + "\r\n",
    count: 100)

  /// How many have been carried out.
  private var performedCount: Int { rig.ports.count - 1 }

  @Test("What a client sent before it closed is carried out")
  func carriesOutTheLastCommands() throws {
    let client = try rig.ready()
    client.socket.send(commands + #"{"execute":"quit"}{"execute":"#)
    client.socket.close()
    #expect(rig.turn { rig.machine.state == .stopping })
    #expect(performedCount == 100)
    #expect(rig.turn { rig.server.clientCount == 0 })
  }

  @Test("Also where it has left replies unread, so that none can be sent")
  func carriesThemOutWithoutReplies() throws {
    let client = try rig.ready()
    client.socket.send(commands)
    rig.settle()
    client.socket.send(commands)
    client.socket.close()
    #expect(rig.turn { rig.server.clientCount == 0 })
    #expect(performedCount == 200)
  }

  @Test("Also where both directions have ended while the socket is still there")
  func carriesThemOutAfterAShutdown() throws {
    let client = try rig.ready()
    client.socket.send(commands)
    shutdown(client.socket.descriptor, Int32(SHUT_RDWR))
    #expect(rig.turn { performedCount == 100 })
    #expect(rig.turn { rig.server.clientCount == 0 })
  }

  @Test("A client that has left waits for nothing, and others are served between its commands")
  func doesNotWaitForThoseWhoLeft() throws {
    let client = try rig.ready()
    client.socket.send(
      #"{"execute":"x-swiftvm-wait-open","arguments":{"port":"n"}}{"execute":"stop"}"#)
    client.socket.close()
    #expect(rig.turn { rig.server.clientCount == 0 })
    #expect(!rig.machine.isPaused)
    let other = try rig.ready()
    #expect(other.ask(#"{"execute":"query-name"}"#) == #"{"return": {"name": "vm"}}"#)
  }

  @Test("An event that cannot be sent costs no command")
  func survivesEventsUntilThen() throws {
    let client = try rig.ready()
    client.socket.send(commands)
    client.socket.close()
    for _ in 0..<20 {
      rig.server.send(.paused)
      rig.loop.turn(timeoutMilliseconds: 0)
    }
    #expect(rig.turn { rig.server.clientCount == 0 })
    #expect(performedCount == 100)
  }

  @Test("An inherited socket that listens is served, and nothing else is taken")
  func servesAnInheritedSocket() throws {
    func inherit(_ socket: Int32) -> Int32 { fcntl(socket, F_DUPFD, 3) }
    var pair: [Int32] = [0, 0]
    #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
    #expect(throws: (any Error).self) { try ServiceSocket(.number(inherit(pair[0]))) }
    for end in pair { close(end) }
    let directory = try TemporaryDirectory()
    let first = try ServiceSocket(.init(.unix(path: directory["s"])))
    let number = inherit(first.descriptor)
    let listener = try ServiceSocket(.number(number))
    let client = try SocketClient(directory["s"])
    #expect(try listener.accept()?.isAllowed == true)
    client.close()
  }

  // In a process of its own, which becomes other users for a moment.
  @Test(
    "An inherited socket serves the user who made it, too",
    .enabled(if: geteuid() == 0, "needs root, to be another user"))
  func servesTheMakerOfAnInheritedSocket() async {
    await #expect(processExitsWith: .success) {
      let directory = try TemporaryDirectory()
      chmod(directory.path, 0o777)
      var configuration = SocketConfiguration(.unix(path: directory["s"]))
      configuration.access.mode = 0o666
      let made = try asUser(65534) { try ServiceSocket(configuration) }
      let listener = try ServiceSocket(.number(fcntl(made.descriptor, F_DUPFD, 3)))
      for (user, isAllowed) in [(0, true), (65534, true), (65533, false)] as [(uid_t, Bool)] {
        let client = try asUser(user) { try SocketClient(directory["s"]) }
        #expect(try listener.accept()?.isAllowed == isAllowed)
        client.close()
      }
    }
  }
}
