import Glibc
import TestSupport
import Testing

@testable import Control
@testable import SwiftVM

/// Descriptors that come and go beside commands.
@Suite(ControlRig.requirement)
struct DescriptorCommandTests: CommandSuite {
  let rig: ControlRig
  let client: LineClient

  init() throws {
    rig = try ControlRig()
    client = try rig.ready()
  }

  @Test func takesDescriptors() throws {
    let path = try directory.makeFile("file")
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    #expect(
      ask("getfd", #"{"fdname":"x"}"#)
        == "!GenericError: No file descriptor supplied via SCM_RIGHTS")
    client.send(#"{"execute":"getfd","arguments":{"fdname":"x"}}"#, passing: descriptor)
    #expect(client.line() == #"{"return": {}}"#)
    #expect(add("socket", #"{"addr":{"type":"fd","data":{"str":"x"}}}"#) == "{}")
    #expect(rig.spares == ["c"])
    #expect(
      ask("closefd", #"{"fdname":"x"}"#)
        == "!GenericError: File descriptor named 'x' not found")
    client.send(#"{"execute":"getfd","arguments":{"fdname":"x"}}"#, passing: descriptor)
    #expect(client.line() == #"{"return": {}}"#)
    #expect(ask("closefd", #"{"fdname":"x"}"#) == "{}")
    client.send(#"{"execute":"getfd","arguments":{"fdname":"1x"}}"#, passing: descriptor)
    #expect(client.line()?.contains("a name not starting with a digit") == true)
  }

  @Test func keepsSetsOfDescriptors() throws {
    let path = try directory.makeFile("file")
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    #expect(ask("query-fdsets") == "[]")
    client.send(#"{"execute":"add-fd","arguments":{"opaque":"o"}}"#, passing: descriptor)
    let reply = try #require(client.line())
    #expect(reply.hasPrefix(#"{"return": {"fdset-id": 0, "fd": "#))
    #expect(ask("query-fdsets").hasSuffix(#""opaque": "o"}]}]"#))
    #expect(add("file", #"{"out":"/dev/fdset/0"}"#) == "{}")
    #expect(rig.spares == ["c"])
    #expect(
      ask("remove-fd", #"{"fdset-id":3}"#)
        == "!GenericError: File descriptor named 'fdset-id:3' not found")
    #expect(ask("remove-fd", #"{"fdset-id":0}"#) == "{}")
    #expect(ask("query-fdsets") == "[]")
    #expect(
      add("file", #"{"out":"/dev/fdset/0"}"#, id: "d")
        == "!GenericError: File descriptor named 'fdset-id:0' not found")
  }

  @Test("What a command that failed has left is not the next one's")
  func closesWhatIsLeft() throws {
    let path = try directory.makeFile("file")
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    for failing in [
      #"{"execute":"getfd","arguments":{"fdname":1}}"#, #"{"execute":"getfd","x":1}"#,
      #"{"execute":"query-name"}"#, "{]",
    ] {
      client.send(failing + "\r\n", passing: descriptor)
      _ = client.line()
      #expect(
        ask("getfd", #"{"fdname":"x"}"#)
          == "!GenericError: No file descriptor supplied via SCM_RIGHTS")
    }
  }

  @Test("A descriptor may come before its command, or with a part of it")
  func takesDescriptorsThatComeEarly() throws {
    let path = try directory.makeFile("file")
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    // As QEMU's own clients do.
    client.send(" ", passing: descriptor)
    rig.settle()
    #expect(ask("getfd", #"{"fdname":"x"}"#) == "{}")
    client.send(#"{"execute":"getfd","#, passing: descriptor)
    rig.settle()
    client.send(#""arguments":{"fdname":"y"}}"#)
    #expect(client.line() == #"{"return": {}}"#)
  }

  @Test func keepsNoLongTexts() throws {
    let path = try directory.makeFile("file")
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    let text = String(repeating: "x", count: 4097)
    client.send(#"{"execute":"getfd","arguments":{"fdname":"\#(text)"}}"#, passing: descriptor)
    #expect(client.line()?.contains("Parameter 'fdname' has more than 256 bytes") == true)
    client.send(#"{"execute":"add-fd","arguments":{"opaque":"\#(text)"}}"#, passing: descriptor)
    #expect(client.line()?.contains("Parameter 'opaque' has more than 4096 bytes") == true)
    #expect(ask("query-fdsets") == "[]")
  }

  @Test func handsAConnectionOver() throws {
    let rig = try ControlRig(attachment: .unixSocketServer(path: directory["port"]))
    let client = try rig.ready()
    func ask(_ command: String, _ arguments: String) -> String? {
      client.ask(#"{"execute":"\#(command)","arguments":\#(arguments)}"#)
    }
    #expect(ask("x-swiftvm-connect", #"{"port":"n"}"#) == #"{"return": {}}"#)
    #expect(client.descriptors.count == 1)
    #expect(
      ask("x-swiftvm-connect", #"{"port":"m"}"#)?.contains("there is no port 'm'") == true)
  }

  @Test("Over TCP, which carries no descriptors, a connection is refused and none is made")
  func refusesConnectionsOverTCP() throws {
    let rig = try ControlRig(address: .tcp(host: "127.0.0.1", port: 0))
    let port = try #require(rig.socket.name.split(separator: ":").last.flatMap { UInt16($0) })
    let client = rig.client(try SocketClient(localPort: port))
    _ = client.line()
    _ = client.ask(#"{"execute":"qmp_capabilities"}"#)
    let reply = client.ask(#"{"execute":"x-swiftvm-connect","arguments":{"port":"n"}}"#)
    #expect(reply?.contains("over a Unix socket only") == true)
  }

  private var directory: TemporaryDirectory { rig.directory }
}
