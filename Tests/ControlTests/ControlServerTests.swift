import Glibc
import TestSupport
import Testing

@testable import Control
@testable import SwiftVM

/// Clients of the control socket: several, slow, broken, and gone.
@Suite(ControlRig.requirement)
struct ControlServerTests {
  private let rig: ControlRig

  init() throws { rig = try ControlRig() }

  @Test func servesAClient() throws {
    let (client, version) = (try rig.connect(), SwiftVMVersion.numbers)
    #expect(
      client.line()
        == #"{"QMP": {"version": {"qemu": {"major": \#(version.0), "minor": \#(version.1), "micro": \#(version.2)}, "package": "swiftvm"}, "capabilities": []}}"#
    )
    #expect(client.ask(#"{"execute":"qmp_capabilities"}"#) == #"{"return": {}}"#)
    #expect(
      client.ask(#"{"execute":"query-name","id":1}"#) == #"{"return": {"name": "vm"}, "id": 1}"#)
    #expect(
      client.ask(#"{"execute":"nope"}"#)
        == #"{"error": {"class": "CommandNotFound", "desc": "The command nope has not been found"}}"#
    )
  }

  @Test func servesSeveralClientsAtOnce() throws {
    let first = try rig.ready()
    let second = try rig.ready()
    let negotiating = try rig.connect()
    _ = negotiating.line()
    first.send(#"{"execute":"#)
    #expect(second.ask(#"{"execute":"stop"}"#) == #"{"return": {}}"#)
    #expect(first.ask(#""query-name"}"#) == #"{"return": {"name": "vm"}}"#)
    #expect(rig.machine.isPaused)
    rig.server.send(.paused)
    #expect(first.line()?.hasSuffix(#""event": "STOP"}"#) == true)
    #expect(second.line()?.hasSuffix(#""event": "STOP"}"#) == true)
    #expect(negotiating.ask(#"{"execute":"qmp_capabilities"}"#) == #"{"return": {}}"#)
  }

  @Test func refusesClientsBeyondTheLimit() throws {
    var clients: [LineClient] = []
    for _ in 0..<ControlServer.clientLimit { clients.append(try rig.ready()) }
    let refused = try rig.connect()
    #expect(refused.line()?.contains("there are 16 QMP clients already") == true)
    #expect(refused.isClosed())
    clients.removeLast()
    #expect(try rig.ready().ask(#"{"execute":"query-name"}"#) == #"{"return": {"name": "vm"}}"#)
  }

  @Test("Commands in one piece, in single bytes, or with half a message at the end")
  func takesAnyPieces() throws {
    let client = try rig.ready()
    let request = #"{"execute":"query-name","id":1} "#
    client.send(String(repeating: request, count: 500))
    for _ in 0..<500 { #expect(client.line() == #"{"return": {"name": "vm"}, "id": 1}"#) }
    for byte in Array(request.utf8) { client.send([byte]) }
    #expect(client.line() == #"{"return": {"name": "vm"}, "id": 1}"#)
  }

  @Test("A client that ends its output still gets its replies")
  func answersTheLastCommand() throws {
    let client = try rig.ready()
    client.send(#"{"execute":"query-name"}{"execute":"query-name"}"#)
    shutdown(client.socket.descriptor, Int32(SHUT_WR))
    #expect(client.line() == #"{"return": {"name": "vm"}}"#)
    #expect(client.line() == #"{"return": {"name": "vm"}}"#)
    #expect(client.isClosed())
  }

  @Test("Broken, deep and huge messages cost an error each, and nothing else")
  func survivesHostileMessages() throws {
    let client = try rig.ready()
    #expect(client.ask("{\"a\": \"\n")?.contains("a string without an end") == true)
    #expect(
      client.ask("{" + String(repeating: "[", count: 100_000))?.contains("nesting depth limit")
        == true)
    client.send([0xff])
    #expect(client.line()?.contains(#"stray '\\xff'"#) == true)
    #expect(client.ask("{\u{1}}\n")?.contains("stray") == true)
    #expect(client.ask(#"{"execute":"query-name"}"#) == #"{"return": {"name": "vm"}}"#)
  }

  @Test("A message of megabytes is refused, and never kept")
  func survivesHugeMessages() throws {
    let client = try rig.ready()
    client.send("{\"" + String(repeating: "x", count: 2 << 20) + "\"}")
    #expect(client.line()?.contains("token size limit exceeded") == true)
    #expect(client.ask(#"{"execute":"query-name"}"#) == #"{"return": {"name": "vm"}}"#)
  }

  @Test(
    "A web page's request is the end of its connection, whether it waits or leaves",
    arguments: [true, false])
  func carriesOutNothingOfAWebPages(waits: Bool) throws {
    let client = try rig.connect()
    let commands = #"{"execute":"qmp_capabilities"}{"execute":"quit"}"#
    client.socket.send(
      "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n\r\n" + commands)
    if waits {
      #expect(client.line()?.contains("QMP") == true)
      #expect(client.line()?.contains("none begins with 'P'") == true)
      #expect(client.isClosed())
    } else {
      client.socket.close()
    }
    rig.settle()
    #expect(rig.server.clientCount == 0)
    #expect(rig.machine.state == .created)
    #expect(try rig.ready().ask(#"{"execute":"query-name"}"#) == #"{"return": {"name": "vm"}}"#)
  }

  @Test("The socket's file is for this user alone, whatever the umask")
  func makesAPrivateFile() throws {
    var status = stat()
    #expect(stat(rig.directory["qmp"], &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
  }

  // In processes of their own, which become another user for a moment.
  @Test(
    "Clients who may not connect are sent away one a turn, as others are accepted",
    .enabled(if: geteuid() == 0, "needs root, to be another user"))
  func deniesOneATurn() async {
    await #expect(processExitsWith: .success) {
      let rig = try ControlRig(mode: 0o666)
      let strangers = try asUser(65534) { try (0..<5).map { _ in try rig.connect() } }
      for turn in 1...5 {
        rig.loop.turn(timeoutMilliseconds: 0)
        #expect(rig.server.deniedClientCount == turn)
      }
      withExtendedLifetime(strangers) {}
    }
  }

  @Test(.enabled(if: geteuid() == 0, "needs root, to be another user"))
  func servesItsOwnUserAlone() async {
    await #expect(processExitsWith: .success) {
      let rig = try ControlRig(mode: 0o666)
      let stranger = try asUser(65534) { try rig.connect() }
      #expect(stranger.line()?.contains("does not serve your user") == true)
      #expect(stranger.isClosed())
      #expect(rig.server.deniedClientCount == 1)
      #expect(try rig.ready().ask(#"{"execute":"query-name"}"#) != nil)
    }
    await #expect(processExitsWith: .success) {
      let rig = try ControlRig(users: [65534], mode: 0o666)
      let clients = try [65534, 65533].map { user in try asUser(user) { try rig.connect() } }
      #expect(clients[0].line()?.contains("QMP") == true)
      #expect(clients[1].line()?.contains("does not serve your user") == true)
    }
  }

  @Test("A client that asks on and on without reading is not read any more")
  func holdsBackAClientThatDoesNotRead() throws {
    let client = try rig.ready()
    let request = Array(#"{"execute":"query-commands"}"#.utf8)
    var sent = 0
    // Until nothing goes any more, however often the loop turns.
    var idleTurns = 0
    while idleTurns < 200 {
      let count = client.socket.sendWhatFits(request)
      sent += count
      idleTurns = count > 0 ? 0 : idleTurns + 1
      rig.loop.turn(timeoutMilliseconds: 0)
    }
    #expect(sent < 64 << 20)
    let other = try rig.ready()
    #expect(other.ask(#"{"execute":"query-name"}"#) == #"{"return": {"name": "vm"}}"#)
    #expect(client.line()?.contains("query-commands") == true)
  }

  @Test("A client that reads no events is closed, the others are not")
  func closesASlowClient() throws {
    let slow = try rig.ready()
    let other = try rig.ready()
    let id = String(repeating: "x", count: 10_000)
    var heard = 0
    while rig.server.slowClientCount == 0, heard < 1000 {
      rig.server.send(.deviceRemoved(id: id))
      if other.line() != nil { heard += 1 }
    }
    #expect(rig.server.slowClientCount == 1)
    #expect(heard < 1000)
    #expect(other.ask(#"{"execute":"query-name"}"#) == #"{"return": {"name": "vm"}}"#)
    while slow.line() != nil {}
    #expect(slow.isClosed())
  }

  @Test func forgetsAClientThatIsGone() throws {
    for _ in 0..<100 {
      let client = try rig.ready()
      client.send(#"{"execute":"x-swiftvm-wait-open","arguments":{"port":"n"}}{"exec"#)
    }
    #expect(try rig.ready().ask(#"{"execute":"query-name"}"#) == #"{"return": {"name": "vm"}}"#)
  }

  @Test func endsWithItsClients() throws {
    let client = try rig.ready()
    rig.server.quit()
    rig.machine.engine.tell(.ended(.stoppedByUser))
    #expect(client.line()?.contains("host-qmp-quit") == true)
    #expect(client.isClosed())
  }
}
