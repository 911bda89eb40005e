import Glibc
import SwiftVM
import TestSupport
import Testing

/// QMP with a machine behind it: a guest that runs hears of what clients do.
@Suite(MicroVM.requirement)
struct QMPTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// A machine with a control socket, and a guest that serves port `a` and reports to the file `log`.
  private func machine(
    _ commandLine: String = "run=console mode=msix port=a wait=host send=hello echo=1 end=asked",
    ports: [VirtioConsolePortConfiguration]? = nil,
    spares: [ChardevConfiguration] = [],
    _ change: (inout VirtualMachineConfiguration) -> Void = { _ in }
  ) throws -> VirtualMachine {
    let port = VirtioConsolePortConfiguration(
      id: "p", name: "a", attachment: .unixSocketServer(path: directory["a"]))
    var configuration = VirtualMachineConfiguration(
      bootLoader: LinuxBootLoader(kernelPath: MicroVM.kernelPath, commandLine: commandLine),
      memorySize: 16 << 20,
      consoleDevices: [VirtioConsoleDeviceConfiguration(id: "vs0", ports: ports ?? [port])],
      serialPort: SerialPortConfiguration(attachment: .file(path: directory["log"])))
    configuration.name = "test"
    configuration.characterDevices = spares
    configuration.controlSockets = [.unixSocketServer(path: directory["qmp"])]
    change(&configuration)
    return try VirtualMachine(configuration)
  }

  private func spare(_ id: String) -> ChardevConfiguration {
    var spare = ChardevConfiguration.unixSocketServer(path: directory[id])
    spare.id = id
    return spare
  }

  /// The serial console as `query-chardev` tells of it.
  private static func serial(_ label: String) -> String {
    #"{"label": "\#(label)", "filename": "file", "frontend-open": true}"#
  }

  private func log(has line: String) -> Bool {
    waitUntil {
      directory.text(of: "log").split(whereSeparator: \.isNewline).contains { $0 == line }
    }
  }

  @Test("A client watches the guest, stops it, lets it go on, resets and ends it")
  func controlsTheMachine() throws {
    let machine = try machine()
    let directory = directory
    let (outcome, notes) = run(machine) { notes in
      guard let client = try? SocketClient(directory["a"]),
        let qmp = try? QMPClient(directory["qmp"])
      else { return }
      notes.add(qmp.ask("x-swiftvm-wait-open", #"{"port":"p","timeout":20}"#))
      notes.add(client.line())
      notes.add(qmp.ask("query-name"))
      notes.add(qmp.ask("query-chardev"))
      notes.add(qmp.ask("query-cpus-fast")?.contains(#""thread-id": 0, "target""#))
      notes.add(qmp.ask("stop"))
      notes.add(qmp.event("STOP") != nil)
      notes.add(qmp.ask("query-status"))
      client.send("after the pause\n")
      notes.add(qmp.ask("cont"))
      notes.add(qmp.event("RESUME") != nil)
      notes.add(client.line())
      notes.add(qmp.ask("system_reset"))
      notes.add(qmp.event("RESET"))
      notes.add(client.line())
      notes.add(qmp.ask("quit"))
      notes.add(qmp.event("SHUTDOWN"))
    }
    #expect(outcome == .stoppedByUser)
    let filename = "unix:DIR/a,server=on"
    #expect(
      notes.map { $0.replacing(directory.path, with: "DIR") } == [
        "{}", "hello", #"{"name": "test"}"#,
        "[" + Self.serial("serial0") + ", "
          + #"{"label": "p", "filename": "\#(filename)", "frontend-open": true}]"#, "false", "{}",
        "true", #"{"status": "paused", "singlestep": false, "running": false}"#, "{}", "true",
        "echo after the pause", "{}", #"{"guest": false, "reason": "host-qmp-system-reset"}"#,
        "hello", "{}", #"{"guest": false, "reason": "host-qmp-quit"}"#,
      ])
    #expect(directory.entries == ["log"])
  }

  @Test("Clients hear of what the guest does")
  func tellsWhatTheGuestDoes() throws {
    let machine = try machine()
    let directory = directory
    let (outcome, notes) = run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]),
        let client = try? SocketClient(directory["a"])
      else { return }
      notes.add(qmp.ask("x-swiftvm-wait-open", #"{"port":"a"}"#))
      notes.add(client.line())
      client.send("reset-cf9\n")
      notes.add(client.line())
      notes.add(qmp.event("RESET"))
      notes.add(client.line())
      client.send("poweroff\n")
      notes.add(client.line())
      notes.add(qmp.event("SHUTDOWN"))
      notes.add(qmp.heard("VSERPORT_CHANGE", #"{"id": "p", "open": false}"#))
    }
    #expect(outcome == .poweredOff)
    #expect(
      notes == [
        "{}", "hello", "echo reset-cf9", #"{"guest": true, "reason": "guest-reset"}"#, "hello",
        "echo poweroff", #"{"guest": true, "reason": "guest-shutdown"}"#, "true",
      ])
  }

  @Test("A machine that waits to be started says so, and one that a panic has paused")
  func tellsOfLaunchAndPanic() throws {
    let machine = try machine("run=hello end=panic then=halt", ports: []) { configuration in
      configuration.startsPaused = true
      configuration.hasPanicDevice = true
      configuration.panicPolicy = .pause
    }
    let directory = directory
    let (_, notes) = run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      notes.add(qmp.ask("query-status"))
      notes.add(qmp.ask("cont"))
      notes.add(qmp.event("RESUME") != nil)
      notes.add(qmp.event("GUEST_PANICKED"))
      notes.add(qmp.event("STOP") != nil)
      notes.add(qmp.ask("query-status"))
      notes.add(qmp.ask("quit"))
    }
    #expect(
      notes == [
        #"{"status": "prelaunch", "singlestep": false, "running": false}"#, "{}", "true",
        #"{"action": "pause"}"#, "true",
        #"{"status": "paused", "singlestep": false, "running": false}"#, "{}",
      ])
  }

  @Test("A chardev and a port come and go while the guest runs; the chardev outlives the port")
  func plugsPorts() throws {
    let machine = try machine(
      "run=console mode=msix port=late wait=host send=hello echo=1 end=asked", ports: [])
    let directory = directory
    let path = directory["late"]
    let (outcome, notes) = run(machine) { notes in
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

  @Test("The serial console's host end is there, and nobody's to take, nor a control socket's id")
  func keepsTheSerialConsole() throws {
    let machine = try machine("run=hello end=halt", ports: []) { configuration in
      configuration.serialPort.attachment.id = "ser"
      configuration.controlSockets[0].id = "mon"
    }
    let directory = directory
    let (_, notes) = run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      notes.add(qmp.ask("query-chardev"))
      for id in ["ser", "mon"] {
        notes.add(
          qmp.ask("chardev-add", #"{"id":"\#(id)","backend":{"type":"null","data":{}}}"#))
        notes.add(qmp.ask("chardev-remove", #"{"id":"\#(id)"}"#))
      }
      notes.add(
        qmp.ask("device_add", #"{"driver":"virtserialport","id":"p","name":"a","chardev":"ser"}"#))
      notes.add(qmp.ask("chardev-send-break", #"{"id":"ser"}"#))
      notes.add(qmp.ask("quit"))
    }
    #expect(
      notes == [
        "[" + Self.serial("ser") + "]", "Chardev with id 'ser' already exists",
        "Chardev 'ser' is busy",
        "Failed to add chardev 'mon': there is a host end of this id already",
        "Chardev 'mon' not found",
        "Property 'virtserialport.chardev' can't take value 'ser': Device 'ser' is in use", "{}",
        "{}",
      ])
  }

  @Test("The same port comes back to the same chardev, whose client has stayed")
  func plugsAgain() throws {
    let machine = try machine(
      "run=console mode=msix port=last wait=host echo=1", ports: [], spares: [spare("c")])
    let directory = directory
    let (outcome, notes) = run(machine) { notes in
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
    let (outcome, notes) = run(machine) { notes in
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
    let (outcome, notes) = run(machine) { notes in
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

  @Test func handsConnectionsOver() throws {
    let machine = try machine()
    let directory = directory
    let (outcome, notes) = run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      notes.add(qmp.ask("x-swiftvm-connect", #"{"port":"p"}"#))
      guard let descriptor = qmp.takeDescriptor() else { return }
      let client = SocketClient(adopting: descriptor)
      notes.add(client.line())
      client.send("poweroff\n")
      notes.add(client.line())
    }
    #expect(outcome == .poweredOff)
    #expect(notes == ["{}", "hello", "echo poweroff"])
  }

  @Test("What the guest says is in a ring buffer, and a client waits for it")
  func readsARingBuffer() throws {
    var port = VirtioConsolePortConfiguration(name: "a", attachment: .none)
    port.attachment = ChardevConfiguration(id: "r", .ringBuffer(size: 65536))
    let machine = try machine(
      "run=console mode=msix port=a send=hello end=spin", ports: [port])
    let directory = directory
    let (outcome, notes) = run(machine) { notes in
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
}
