import Glibc
import SwiftVM
import TestSupport
import Testing

/// QMP with a machine behind it: ports and chardevs that come and go.
@Suite(MicroVM.requirement)
struct QMPPortTests: QMPSuite {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("A chardev and a port come and go while the guest runs; the chardev outlives the port")
  func plugsPorts() throws {
    let machine = try machine(
      "run=console mode=msix port=late wait=host send=hello echo=1 end=asked", ports: [])
    let directory = directory
    let path = directory["late"]
    let (outcome, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      let backend =
        #"{"type":"socket","data":{"addr":{"type":"unix","data":{"path":"\#(path)"}}}}"#
      notes.add(qmp.ask("chardev-add", #"{"id":"c","backend":\#(backend)}"#))
      notes.add(qmp.ask("chardev-add", #"{"id":"d","backend":\#(backend)}"#)?.contains("in use"))
      let port = #"{"driver":"virtserialport","id":"p","name":"late","chardev":"c","bus":"vs0.0"}"#
      notes.add(qmp.ask("device_add", port))
      guard let client = try? SocketClient(path) else { return }
      notes.add(client.line())
      notes.add(qmp.ask("device_add", port))
      notes.add(qmp.ask("device_add", port.replacing(#""p""#, with: #""q""#)))
      notes.add(qmp.ask("chardev-remove", #"{"id":"c"}"#))
      notes.add(qmp.ask("device_del", #"{"id":"p"}"#))
      notes.add(qmp.event("DEVICE_DELETED"))
      notes.add(qmp.ask("device_del", #"{"id":"p"}"#))
      notes.add(qmp.ask("query-chardev")?.contains(#""filename": "unix:\#(path),server=on""#))
      notes.add(qmp.ask("chardev-remove", #"{"id":"c"}"#))
      notes.add(client.isAtEnd)
      notes.add(qmp.ask("query-chardev"))
      notes.add(qmp.ask("quit"))
    }
    #expect(outcome == .stoppedByUser)
    #expect(
      notes == [
        "{}", "true", "{}", "hello", "Duplicate device ID 'p'",
        "Property 'virtserialport.chardev' can't take value 'c': Device 'c' is in use",
        "Chardev 'c' is busy", "{}", #"{"device": "p", "path": "/machine/peripheral/p"}"#,
        "Device 'p' not found", "true", "{}", "true", "[" + Self.serial("serial0") + "]", "{}",
      ])
    #expect(directory.entries == ["log"])
  }

  @Test("The same port comes back to the same chardev, whose client has stayed")
  func plugsAgain() throws {
    let machine = try machine(
      "run=console mode=msix port=last wait=host echo=1", ports: [], spares: [spare("c")])
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]),
        let client = try? SocketClient(directory["c"])
      else { return }
      // Numbers of their own: the micro guest does not take buffers back from a port that goes.
      for number in 1...5 {
        let name = number == 5 ? "last" : "x"
        notes.add(
          qmp.ask(
            "device_add",
            #"{"driver":"virtserialport","id":"p","name":"\#(name)","chardev":"c","nr":\#(number)}"#
          ))
        if number < 5 { notes.add(qmp.ask("device_del", #"{"id":"p"}"#)) }
      }
      notes.add(qmp.ask("x-swiftvm-wait-open", #"{"port":"last","timeout":20}"#))
      client.send("still here\n")
      notes.add(client.line())
    }
    #expect(outcome == .poweredOff)
    #expect(notes == Array(repeating: "{}", count: 10) + ["echo still here"])
  }

  @Test func refusesWhatDoesNotFit() throws {
    let machine = try machine(spares: [spare("c")])
    let directory = directory
    let requests: [(String, String)] = [
      (
        #"{"driver":"virtserialport","id":"q","chardev":"z"}"#,
        "Property 'virtserialport.chardev' can't find value 'z'"
      ),
      (#"{"driver":"virtserialport","id":"vs0","chardev":"c"}"#, "Duplicate device ID 'vs0'"),
      (#"{"driver":"virtio-serial-pci","id":"vs0"}"#, "Duplicate device ID 'vs0'"),
      (
        #"{"driver":"virtserialport","name":"b","chardev":"c","bus":"vs1.0"}"#,
        "Bus 'vs1.0' not found"
      ),
      (
        #"{"driver":"virtserialport","name":"a","chardev":"c"}"#,
        "virtio-serial-bus: A port already exists by name a"
      ),
      (
        #"{"driver":"virtserialport","name":"b","chardev":"c","nr":1}"#,
        "virtio-serial-bus: A port already exists at id 1"
      ),
      (
        #"{"driver":"virtserialport","name":"b","chardev":"c","nr":31}"#,
        "virtio-serial-bus: Out-of-range port id specified, max. allowed: 30"
      ),
    ]
    let (outcome, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      for (arguments, _) in requests { notes.add(qmp.ask("device_add", arguments)) }
      notes.add(
        qmp.ask(
          "chardev-add",
          #"{"id":"d","backend":{"type":"file","data":{"out":"\#(directory["none/x"])"}}}"#)?
          .hasPrefix("Failed to add chardev 'd': "))
      notes.add(qmp.ask("query-chardev")?.contains(#""label": "d""#))
      notes.add(qmp.ask("x-swiftvm-connect", #"{"port":"z"}"#))
      notes.add(
        qmp.ask("x-swiftvm-plug", #"{"option":"virtserialport","value":"","directory":"/"}"#))
      notes.add(qmp.ask("quit"))
    }
    #expect(outcome == .stoppedByUser)
    #expect(
      notes == requests.map(\.1) + [
        "true", "false", "there is no port 'z'",
        "this machine's program has no command line; use device_add", "{}",
      ])
  }

  @Test("A client is given a connection to a port, and brings a descriptor for another")
  func passesDescriptors() throws {
    let machine = try machine(
      "run=console mode=msix port=late wait=host send=hello echo=1 end=asked", ports: [])
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      var pair: [Int32] = [-1, -1]
      guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0 else { return }
      notes.add(qmp.ask("getfd", #"{"fdname":"f"}"#, passing: pair[1]))
      close(pair[1])
      notes.add(
        qmp.ask(
          "chardev-add",
          #"{"id":"c","backend":{"type":"socket","data":{"addr":{"type":"fd","data":{"str":"f"}}}}}"#
        ))
      notes.add(
        qmp.ask("device_add", #"{"driver":"virtserialport","name":"late","chardev":"c"}"#))
      let client = SocketClient(adopting: pair[0])
      notes.add(client.line())
      client.send("by descriptor\n")
      notes.add(client.line())
      notes.add(qmp.ask("quit"))
    }
    #expect(outcome == .stoppedByUser)
    #expect(notes == ["{}", "{}", "{}", "hello", "echo by descriptor", "{}"])
  }

  @Test("What the guest says is in a ring buffer, and a client waits for it")
  func readsARingBuffer() throws {
    var port = VirtioConsolePortConfiguration(name: "a", attachment: .none)
    port.attachment = ChardevConfiguration(id: "r", .ringBuffer(size: 65536))
    let machine = try machine(
      "run=console mode=msix port=a send=hello end=spin", ports: [port])
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      notes.add(
        qmp.ask("x-swiftvm-ringbuf-wait", #"{"device":"r","text":"ello","timeout":20}"#))
      notes.add(qmp.ask("ringbuf-read", #"{"device":"r","size":5}"#))
      notes.add(qmp.ask("ringbuf-write", #"{"device":"r","data":"more"}"#))
      notes.add(qmp.ask("ringbuf-read", #"{"device":"r","size":50}"#))
      notes.add(qmp.ask("quit"))
    }
    #expect(outcome == .stoppedByUser)
    #expect(notes == ["{}", #""hello""#, "{}", #""\nmore""#, "{}"])
  }

  @Test("A ring buffer is read by its id whatever stands before it", arguments: ["", "mux", "log"])
  func readsRingBuffersBehindOthers(wrapping: String) throws {
    var chardev = ChardevConfiguration(id: "r", .ringBuffer())
    if wrapping == "mux" { chardev.isMultiplexed = true }
    if wrapping == "log" { chardev.log = LogConfiguration(path: directory["record"]) }
    let port = VirtioConsolePortConfiguration(name: "a", attachment: chardev)
    let machine = try machine(
      "run=console mode=msix port=a send=hello end=spin", ports: [port])
    let directory = directory
    let (_, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      notes.add(
        qmp.ask("x-swiftvm-ringbuf-wait", #"{"device":"r","text":"ello","timeout":20}"#))
      notes.add(qmp.ask("ringbuf-read", #"{"device":"r","size":100}"#))
      notes.add(qmp.ask("quit"))
    }
    #expect(notes == ["{}", #""hello\n""#, "{}"])
  }

  @Test("A port's bus is called as on the command line, the device's id or QEMU's name for none")
  func findsDevicesByTheirBuses() throws {
    let machine = try machine("run=hello end=halt", ports: []) { configuration in
      configuration.consoleDevices = [
        VirtioConsoleDeviceConfiguration(ports: []),
        VirtioConsoleDeviceConfiguration(id: "vs1", ports: []),
        VirtioConsoleDeviceConfiguration(ports: []),
      ]
    }
    let directory = directory
    let (_, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      for bus in ["virtio-serial-bus.0", "vs1.0", "virtio-serial-bus.1", "virtio-serial-bus.2"] {
        notes.add(
          qmp.ask("device_add", #"{"driver":"virtserialport","bus":"\#(bus)","name":"\#(bus)"}"#))
      }
      let ports = qmp.ask("x-swiftvm-query-ports") ?? ""
      for device in ["virtio-serial0", "vs1", "virtio-serial2"] {
        notes.add(ports.ranges(of: #""device": "\#(device)""#).count)
      }
      notes.add(qmp.ask("quit"))
    }
    #expect(
      notes == ["{}", "{}", "{}", "Bus 'virtio-serial-bus.2' not found", "1", "1", "1", "{}"])
  }
}
