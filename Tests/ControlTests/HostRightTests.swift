import Chardev
import Glibc
import Host
import TestSupport
import Testing

@testable import Control

/// Clients of a control socket without the right to open things on the host.
@Suite struct HostRightTests: CommandSuite {
  let rig: ControlRig
  let client: RigClient

  init() throws {
    rig = try ControlRig(opensHost: false)
    client = try rig.ready()
  }

  @Test(
    "Nothing is opened on the host for them",
    arguments: [
      ("file", #"{"out":"/tmp/x"}"#), ("pipe", #"{"device":"/tmp/x"}"#), ("pty", "{}"),
      ("null", #"{"logfile":"/tmp/x"}"#), ("ringbuf", #"{"logfile":"/tmp/x"}"#),
      ("socket", #"{"addr":{"type":"unix","data":{"path":"/tmp/x"}}}"#),
      ("socket", #"{"addr":{"type":"unix","data":{"path":"x","abstract":true}},"server":false}"#),
      ("socket", #"{"addr":{"type":"inet","data":{"host":"localhost","port":"0"}}}"#),
      ("udp", #"{"remote":{"type":"inet","data":{"host":"localhost","port":"9"}}}"#),
    ])
  func opensNothing(type: String, data: String) {
    let refusal = "!GenericError: clients of this control socket may open nothing on the host"
    #expect(add(type, data).hasPrefix(refusal))
    rig.machine.chardevs = [ChardevReport(label: "c", filename: "null", isFrontEndOpen: false)]
    #expect(
      ask("chardev-change", #"{"id":"c","backend":{"type":"\#(type)","data":\#(data)}}"#)
        .hasPrefix(refusal))
    #expect(rig.machine.notes == [])
  }

  @Test("What stays in memory they may have, and control the machine")
  func allowsTheRest() {
    #expect(add("null", "{}") == "{}")
    #expect(add("ringbuf", "{}") == "{}")
    #expect(ask("stop") == "{}")
    #expect(ask("device_add", #"{"driver":"virtio-serial-pci"}"#) == "{}")
  }

  @Test("A new port's backend is judged before it is made")
  func judgesPorts() {
    let arguments = #"{"option":"virtserialport","value":"name=a,exec=x","directory":"/"}"#
    rig.machine.plugged = .file(path: "/tmp/x")
    #expect(ask("x-swiftvm-plug", arguments).contains("may open nothing on the host"))
    #expect(rig.machine.notes == [])
    rig.machine.plugged = .none
    #expect(ask("x-swiftvm-plug", arguments) == "{}")
  }

  @Test("A descriptor that they pass is theirs to use; those of clients with the right are not")
  func usesPassedDescriptors() throws {
    let descriptor = open("/dev/null", O_RDWR)
    defer { close(descriptor) }
    client.send(#"{"execute":"getfd","arguments":{"fdname":"x"}}"#, with: descriptor)
    #expect(client.line() == #"{"return": {}}"#)
    #expect(add("socket", #"{"addr":{"type":"fd","data":{"str":"x"}}}"#) == "{}")
    if case .descriptor(.number(let number)) = rig.machine.added?.backend { close(number) }
    let others = rig.server.context(
      passed: PassedDescriptors(), of: ControlListener(rig.socket, opensHost: true))
    try others.descriptors.add(
      PassedDescriptor(FileDescriptor(owning: dup(descriptor))), named: "theirs")
    #expect(
      add("socket", #"{"addr":{"type":"fd","data":{"str":"theirs"}}}"#)
        .contains("File descriptor named 'theirs' has not been found"))
  }
}
