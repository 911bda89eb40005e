import Glibc
import TestSupport
import Testing

@testable import Control

/// Descriptors that come and go beside commands.
@Suite struct DescriptorCommandTests: CommandSuite {
  let rig: ControlRig
  let client: RigClient

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
    client.send(#"{"execute":"getfd","arguments":{"fdname":"x"}}"#, with: descriptor)
    #expect(client.line() == #"{"return": {}}"#)
    #expect(add("socket", #"{"addr":{"type":"fd","data":{"str":"x"}}}"#) == "{}")
    guard case .descriptor(.number(let number)) = rig.machine.added?.backend else {
      Issue.record("no descriptor in \(String(describing: rig.machine.added))")
      return
    }
    #expect(sameFile(number, descriptor))
    close(number)
    #expect(
      ask("closefd", #"{"fdname":"x"}"#)
        == "!GenericError: File descriptor named 'x' not found")
    client.send(#"{"execute":"getfd","arguments":{"fdname":"x"}}"#, with: descriptor)
    #expect(client.line() == #"{"return": {}}"#)
    #expect(ask("closefd", #"{"fdname":"x"}"#) == "{}")
    client.send(#"{"execute":"getfd","arguments":{"fdname":"1x"}}"#, with: descriptor)
    #expect(client.line()?.contains("a name not starting with a digit") == true)
  }

  @Test func keepsSetsOfDescriptors() throws {
    let path = try directory.makeFile("file")
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    #expect(ask("query-fdsets") == "[]")
    client.send(#"{"execute":"add-fd","arguments":{"opaque":"o"}}"#, with: descriptor)
    let reply = try #require(client.line())
    #expect(reply.hasPrefix(#"{"return": {"fdset-id": 0, "fd": "#))
    #expect(ask("query-fdsets").hasSuffix(#""opaque": "o"}]}]"#))
    #expect(add("file", #"{"out":"/dev/fdset/0"}"#) == "{}")
    guard case .descriptor(.number(let number)) = rig.machine.added?.backend else {
      Issue.record("no descriptor in \(String(describing: rig.machine.added))")
      return
    }
    #expect(sameFile(number, descriptor))
    close(number)
    #expect(
      ask("remove-fd", #"{"fdset-id":3}"#)
        == "!GenericError: File descriptor named 'fdset-id:3' not found")
    #expect(ask("remove-fd", #"{"fdset-id":0}"#) == "{}")
    #expect(ask("query-fdsets") == "[]")
    #expect(
      add("file", #"{"out":"/dev/fdset/0"}"#)
        == "!GenericError: File descriptor named 'fdset-id:0' not found")
  }

  @Test func handsAConnectionOver() throws {
    let path = try directory.makeFile("file")
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    rig.machine.connection = descriptor
    rig.machine.ports = [PortStatus.named("n", isOpen: false)]
    #expect(ask("x-swiftvm-connect", #"{"port":"n"}"#) == "{}")
    let received = try #require(client.descriptors.first)
    #expect(sameFile(received, descriptor))
    #expect(ask("x-swiftvm-connect", #"{"port":"m"}"#) == "!DeviceNotFound: there is no port 'm'")
  }

  private var directory: TemporaryDirectory { rig.directory }

  private func sameFile(_ first: Int32, _ second: Int32) -> Bool {
    var (one, other) = (stat(), stat())
    return fstat(first, &one) == 0 && fstat(second, &other) == 0 && one.st_ino == other.st_ino
      && one.st_dev == other.st_dev
  }
}
