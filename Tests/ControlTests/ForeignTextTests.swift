import Chardev
import TestSupport
import Testing

@testable import Control
@testable import SwiftVM

/// Text that Swift would compare or hash for half a minute, in every place where a client can put it.
@Suite(ControlRig.requirement)
struct ForeignTextTests: CommandSuite {
  /// 400 KB of combining marks, each pair of which canonical order exchanges.
  private static let marks = Array(String(repeating: "\u{315}\u{316}", count: 100_000).utf8)

  let rig: ControlRig
  let client: LineClient

  init() throws {
    rig = try ControlRig()
    client = try rig.ready()
  }

  /// The reply to a text with the marks in the place of `@`, and how many seconds it took.
  private func reply(to text: String) -> (text: String, seconds: Double) {
    let parts = text.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
    let start = monotonicSeconds()
    client.send(Array(parts.joined(separator: Self.marks)))
    return (client.line() ?? "nothing", monotonicSeconds() - start)
  }

  private static func command(_ name: String, _ arguments: String) -> String {
    #"{"execute":"\#(name)","arguments":{\#(arguments)}}"#
  }

  private static func backend(_ type: String, _ data: String) -> String {
    command("chardev-add", #""id":"c","backend":{"type":"\#(type)","data":{\#(data)}}"#)
  }

  static let places: [String] =
    [
      #"{"execute":"@"}"#, #"{"@":1}"#, #"{"execute":"stop","id":{"@":1}}"#,
      command("stop", #""@":1"#), command("stop", #""@1":1,"@2":2"#),
      command("qmp_capabilities", #""enable":["@"]"#),
      command("human-monitor-command", #""command-line":"@""#),
      command("chardev-add", #""id":"@","backend":{"type":"null","data":{}}"#),
      command("chardev-change", #""id":"@","backend":{"type":"null","data":{}}"#),
      backend("@", ""), backend("null", #""@":1"#), backend("null", #""logfile":"@""#),
      backend("file", #""out":"@""#), backend("file", #""out":"x","in":"@""#),
      backend("pipe", #""device":"@""#),
      backend("socket", #""addr":{"type":"@","data":{}}"#),
      backend("socket", #""addr":{"type":"unix","data":{"path":"@"}}"#),
      backend("socket", #""addr":{"type":"inet","data":{"host":"@","port":"1"}}"#),
      backend("socket", #""addr":{"type":"inet","data":{"host":"h","port":"@"}}"#),
      backend("socket", #""addr":{"type":"fd","data":{"str":"@"}}"#),
      backend("udp", #""remote":{"type":"inet","data":{"host":"@","port":"1"}}"#),
    ]
    + ["chardev-remove", "chardev-send-break", "device_del"].map { command($0, #""id":"@""#) }
    + ["driver", "id", "name", "chardev", "bus", "nr"].map {
      command(
        "device_add", ($0 == "driver" ? "" : #""driver":"virtserialport","#) + #""\#($0)":"@""#)
    }
    + ["id", "bus", "addr", "max_ports", "vectors"].map {
      command("device_add", #""driver":"virtio-serial-pci","\#($0)":"@""#)
    }
    + ["getfd", "closefd"].map { command($0, #""fdname":"@""#) }
    + [
      command("add-fd", #""opaque":"@""#), command("ringbuf-read", #""device":"@","size":1"#),
      command("ringbuf-write", #""device":"b","data":"x","format":"@""#),
      command("x-swiftvm-ringbuf-wait", #""device":"@","text":"x""#),
      command("x-swiftvm-wait-open", #""port":"@""#), command("x-swiftvm-connect", #""port":"@""#),
      command("x-swiftvm-plug", #""option":"@","value":"","directory":"/""#),
      command("x-swiftvm-plug", #""option":"virtserialport","value":"@","directory":"/""#),
      command("x-swiftvm-plug", #""option":"virtserialport","value":"","directory":"@""#),
    ]

  @Test(
    "It is refused before it is compared or becomes a key, and costs no time", arguments: places)
  func isRefusedAtOnce(place: String) {
    #expect(add("ringbuf", "{}", id: "b") == "{}")
    let configuration = rig.machine.engine.configuration
    let reply = reply(to: place)
    #expect(reply.text.hasPrefix(#"{"error": "#))
    #expect(reply.seconds < 5)
    #expect(rig.machine.engine.configuration == configuration && !rig.machine.isPaused)
    #expect(ask("query-name") == #"{"name": "vm"}"#)
  }

  @Test("Data may hold it, which is bytes to the machine")
  func isDataLikeAnyOther() throws {
    #expect(add("ringbuf", #"{"size":1048576}"#, id: "b") == "{}")
    let buffer = try #require(rig.machine.engine.chardev(label: "b") as? RingBuffer)
    #expect(
      reply(to: Self.command("ringbuf-write", #""device":"b","data":"@""#)).text
        == #"{"return": {}}"#)
    #expect(buffer.contents == Self.marks)
  }

  @Test("Ports may have names beyond ASCII, up to 255 bytes, and what is asked for up to 256")
  func namesPortsInAnyScript() {
    let name = String(repeating: "é", count: 128)
    let longest = name.dropLast() + "x"
    #expect(ask("device_add", #"{"driver":"virtserialport","name":"\#(longest)"}"#) == "{}")
    #expect(
      ask("x-swiftvm-wait-open", #"{"port":"\#(longest)","timeout":0}"#)
        .contains("within the timeout"))
    #expect(
      ask("device_add", #"{"driver":"virtserialport","name":"\#(name)"}"#).contains("at most 255"))
    #expect(
      ask("x-swiftvm-wait-open", #"{"port":"\#(name)x"}"#)
        == "!GenericError: Parameter 'port' has more than 256 bytes")
    #expect(
      ask("device_add", #"{"driver":"virtserialport","id":"é"}"#)
        == "!GenericError: Parameter 'id' must be ASCII")
  }
}
