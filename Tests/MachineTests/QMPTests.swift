import Glibc
import SwiftVM
import TestSupport
import Testing

/// QMP with a machine behind it: a running guest is told what clients do.
@Suite(MicroVM.requirement)
struct QMPTests: QMPSuite {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("A client watches the guest, stops it, lets it go on, resets and ends it")
  func controlsTheMachine() throws {
    let machine = try machine()
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
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
    let (outcome, notes) = try run(machine) { notes in
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
    let (_, notes) = try run(machine) { notes in
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

  @Test("No backend is made that writes over the kernel")
  func sparesTheKernel() throws {
    let kernel = try directory.makeLink("kernel", to: Checkout.microGuest)
    let machine = try machine("run=hello end=halt", ports: [])
    let directory = directory
    let (_, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      let file = #"{"type":"file","data":{"out":"\#(kernel)"}}"#
      notes.add(
        qmp.ask("chardev-add", #"{"id":"f","backend":\#(file)}"#)?.contains(
          "this file is the kernel"))
      notes.add(qmp.ask("quit"))
    }
    #expect(notes == ["true", "{}"])
  }

  @Test("The serial console's backend is there and cannot be taken, nor can a control socket's id")
  func keepsTheSerialConsole() throws {
    let machine = try machine("run=hello end=halt", ports: []) { configuration in
      configuration.serialPort.attachment.id = "ser"
      configuration.controlSockets[0].socket.id = "mon"
    }
    let directory = directory
    let (_, notes) = try run(machine) { notes in
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
        "Failed to add chardev 'mon': there is a backend of this id already",
        "Chardev 'mon' not found",
        "Property 'virtserialport.chardev' can't take value 'ser': Device 'ser' is in use", "{}",
        "{}",
      ])
  }

  @Test func handsConnectionsOver() throws {
    let machine = try machine()
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
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

  @Test("A control socket that was inherited, as libvirt gives it")
  func servesAnInheritedSocket() throws {
    let directory = directory
    let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: directory["given"].utf8) }
    let isBound = withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
    #expect(isBound && listen(listener, 5) == 0)
    let machine = try machine("run=hello end=halt", ports: []) { configuration in
      configuration.controlSockets = [
        ControlSocketConfiguration(ChardevConfiguration(id: "m", .descriptor(.number(listener))))
      ]
    }
    let (outcome, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["given"]) else { return }
      notes.add(qmp.ask("query-name"))
      var pair: [Int32] = [-1, -1]
      guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0 else { return }
      notes.add(qmp.ask("getfd", #"{"fdname":"f"}"#, passing: pair[1]))
      for end in pair { close(end) }
      notes.add(qmp.ask("quit"))
    }
    #expect(outcome == .stoppedByUser)
    #expect(notes == [#"{"name": "test"}"#, "{}", "{}"])
  }
}
