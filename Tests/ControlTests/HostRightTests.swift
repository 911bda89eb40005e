import Chardev
import Glibc
import Host
import TestSupport
import Testing

@testable import Control
@testable import SwiftVM

/// Clients of a control socket without the right to open things on the host.
@Suite(ControlRig.requirement)
struct HostRightTests: CommandSuite {
  let rig: ControlRig
  let client: LineClient

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
    #expect(add("null", "{}") == "{}")
    #expect(
      ask("chardev-change", #"{"id":"c","backend":{"type":"\#(type)","data":\#(data)}}"#)
        .hasPrefix(refusal))
    #expect(rig.machine.engine.chardev(label: "c")?.filename == "null")
  }

  @Test("What stays in memory they may have, and control the machine")
  func allowsTheRest() {
    #expect(add("null", "{}") == "{}")
    #expect(add("ringbuf", "{}", id: "d") == "{}")
    #expect(ask("stop") == "{}")
    #expect(ask("device_add", #"{"driver":"virtio-serial-pci"}"#) == "{}")
  }

  @Test("A new port's backend is judged before it is made")
  func judgesPorts() throws {
    let parser = ControlServer.PortParser { (_, value) throws(QMPError) in
      let attachment: ChardevConfiguration = value == "file" ? .file(path: "x") : .none
      return (nil, VirtioConsolePortConfiguration(name: "a", attachment: attachment))
    }
    let rig = try ControlRig(opensHost: false, parser: parser)
    let client = try rig.ready()
    func plug(_ value: String) -> String? {
      client.ask(
        #"{"execute":"x-swiftvm-plug","arguments":{"option":"virtserialport","value":"\#(value)","directory":"\#(rig.directory.path)"}}"#
      )
    }
    #expect(plug("file")?.contains("may open nothing on the host") == true)
    #expect(rig.ports.count == 1 && rig.directory.entries == ["qmp"])
    #expect(plug("null") == #"{"return": {}}"#)
    #expect(rig.ports.count == 2)
  }

  @Test("A descriptor that they pass is theirs to use; those of clients with the right are not")
  func usesPassedDescriptors() throws {
    let descriptor = open("/dev/null", O_RDWR)
    defer { close(descriptor) }
    client.send(#"{"execute":"getfd","arguments":{"fdname":"x"}}"#, passing: descriptor)
    #expect(client.line() == #"{"return": {}}"#)
    #expect(add("socket", #"{"addr":{"type":"fd","data":{"str":"x"}}}"#) == "{}")
    try rig.server.descriptors(opensHost: true).add(
      PassedDescriptor(FileDescriptor(owning: dup(descriptor))), named: "theirs")
    #expect(
      add("socket", #"{"addr":{"type":"fd","data":{"str":"theirs"}}}"#, id: "d")
        .contains("File descriptor named 'theirs' has not been found"))
  }
}
