import Glibc
import SwiftVM
import TestSupport
import Testing

/// `chardev-change` of a backend that a port has, while the guest runs.
@Suite(MicroVM.requirement)
struct ChardevChangeTests: QMPSuite {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private static func change(_ id: String, _ type: String, _ data: String) -> String {
    #"{"id":"\#(id)","backend":{"type":"\#(type)","data":\#(data)}}"#
  }

  private static func socket(_ path: String, _ more: String = "") -> String {
    #"{"addr":{"type":"unix","data":{"path":"\#(path)"}}\#(more)}"#
  }

  private func port(
    _ chardev: ChardevConfiguration, id: String = "p", isConsole: Bool = false
  ) -> VirtioConsolePortConfiguration {
    VirtioConsolePortConfiguration(id: id, name: "a", isConsole: isConsole, attachment: chardev)
  }

  @Test("From a ring buffer to a socket that comes by getfd and back, over a reset, to the end")
  func exchangesAsLXDDoes() throws {
    let machine = try machine(
      "run=console mode=msix port=a wait=host send=hello echo=2 end=asked",
      ports: [port(ChardevConfiguration(id: "c", .ringBuffer()))])
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      let wait = #"{"device":"c","text":"hello","timeout":20}"#
      notes.add(qmp.ask("x-swiftvm-ringbuf-wait", wait))
      notes.add(qmp.ask("ringbuf-read", #"{"device":"c","size":100}"#))
      var pair: [Int32] = [-1, -1]
      guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0 else { return }
      notes.add(qmp.ask("getfd", #"{"fdname":"f"}"#, passing: pair[1]))
      close(pair[1])
      let descriptor = #"{"addr":{"type":"fd","data":{"str":"f"}},"server":false}"#
      notes.add(qmp.ask("chardev-change", Self.change("c", "socket", descriptor)))
      notes.add(qmp.ask("ringbuf-read", #"{"device":"c","size":100}"#))
      notes.add(qmp.ask("query-chardev")?.contains(#""label": "c", "filename": "fd:"#))
      let client = SocketClient(adopting: pair[0])
      client.send("over the socket\n")
      notes.add(client.line())
      notes.add(qmp.ask("chardev-change", Self.change("c", "ringbuf", #"{"size":4096}"#)))
      notes.add(client.isAtEnd)
      notes.add(qmp.ask("system_reset"))
      notes.add(qmp.ask("x-swiftvm-ringbuf-wait", wait))
      notes.add(qmp.ask("chardev-remove", #"{"id":"c"}"#))
      notes.add(qmp.ask("device_del", #"{"id":"p"}"#))
      notes.add(qmp.event("DEVICE_DELETED") != nil)
      notes.add(qmp.ask("ringbuf-read", #"{"device":"c","size":100}"#))
      notes.add(qmp.ask("chardev-remove", #"{"id":"c"}"#))
      notes.add(qmp.ask("query-chardev"))
      notes.add(qmp.ask("quit"))
    }
    #expect(outcome == .stoppedByUser)
    #expect(
      notes == [
        "{}", #""hello\n""#, "{}", "{}", "c is not a ringbuf device", "true",
        "echo over the socket", "{}", "true", "{}", "{}", "Chardev 'c' is busy", "{}", "true",
        #""hello\n""#, "{}", "[" + Self.serial("serial0") + "]", "{}",
      ])
  }

  @Test("Bytes that wait in the guest are the new one's; a change in a pause works after it")
  func keepsWhatWaits() throws {
    let machine = try machine(
      "run=console mode=msix port=a send=hello echo=1 end=asked", ports: [port(spare("c"))])
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      notes.add(qmp.ask("x-swiftvm-wait-open", #"{"port":"p","timeout":20}"#))
      notes.add(qmp.ask("stop"))
      notes.add(qmp.ask("chardev-change", Self.change("c", "ringbuf", "{}")))
      notes.add(qmp.ask("cont"))
      notes.add(
        qmp.ask("x-swiftvm-ringbuf-wait", #"{"device":"c","text":"hello","timeout":20}"#))
      notes.add(
        qmp.ask("chardev-change", Self.change("c", "socket", Self.socket(directory["d"]))))
      guard let client = try? SocketClient(directory["d"]) else { return }
      client.send("poweroff\n")
      notes.add(client.line())
    }
    #expect(outcome == .poweredOff)
    #expect(notes == Array(repeating: "{}", count: 6) + ["echo poweroff"])
  }

  @Test("A place that the old one has is given up for the new one, and had again if that fails")
  func takesTheSamePlace() throws {
    let machine = try machine(
      "run=console mode=msix port=a wait=host echo=3 end=asked", ports: [port(spare("c"))])
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      let path = directory["c"]
      guard let first = try? SocketClient(path) else { return }
      first.send("one\n")
      notes.add(first.line())
      let queue = Self.socket(path, #","x-swiftvm-clients":"queue""#)
      notes.add(qmp.ask("chardev-change", Self.change("c", "socket", queue)))
      notes.add(first.isAtEnd)
      guard let second = try? SocketClient(path) else { return }
      second.send("two\n")
      notes.add(second.line())
      notes.add(mkfifo(directory["fifo"], 0o600))
      let broken = Self.socket(path, #","logfile":"\#(directory["fifo"])""#)
      notes.add(
        qmp.ask("chardev-change", Self.change("c", "socket", broken))?.contains("no reader"))
      notes.add(second.isAtEnd)
      guard let third = try? SocketClient(path) else { return }
      third.send("poweroff\n")
      notes.add(third.line())
    }
    #expect(outcome == .poweredOff)
    #expect(
      notes == [
        "echo one", "{}", "true", "echo two", "0", "true", "true", "echo poweroff",
      ])
    #expect(directory.entries == ["fifo", "log"])
  }

  @Test("One that cannot be made changes nothing")
  func keepsTheOldOne() throws {
    let machine = try machine(
      "run=console mode=msix port=a wait=host echo=2 end=asked", ports: [port(spare("c"))])
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]),
        let client = try? SocketClient(directory["c"])
      else { return }
      client.send("one\n")
      notes.add(client.line())
      for (type, data) in [
        ("file", #"{"out":"\#(directory["none/x"])"}"#),
        ("file", #"{"out":"\#(directory["log"])"}"#),
        ("socket", Self.socket(directory["qmp"])), ("ringbuf", #"{"size":3}"#),
        ("socket", Self.socket(directory["absent"], #","server":false"#)),
      ] {
        notes.add(qmp.ask("chardev-change", Self.change("c", type, data)) == "{}")
      }
      client.send("poweroff\n")
      notes.add(client.line())
    }
    #expect(outcome == .poweredOff)
    #expect(notes == ["echo one"] + Array(repeating: "false", count: 5) + ["echo poweroff"])
  }

  @Test("A console's, and one that has no id but what query-chardev calls it")
  func exchangesAConsole() throws {
    let machine = try machine(
      "run=console mode=msix port=a wait=host send=hello echo=1 end=asked",
      ports: [port(.unixSocketServer(path: directory["a"]), isConsole: true)])
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      notes.add(
        qmp.ask("chardev-change", Self.change("p", "socket", Self.socket(directory["b"]))))
      notes.add(directory.entries.contains("a"))
      guard let client = try? SocketClient(directory["b"]) else { return }
      notes.add(client.line())
      client.send("poweroff\n")
      notes.add(client.line())
    }
    #expect(outcome == .poweredOff)
    #expect(notes == ["{}", "false", "hello", "echo poweroff"])
    #expect(directory.entries == ["log"])
  }

  @Test("What is shared, and the serial console's, stay as they are; a spare is exchanged as ever")
  func refusesTheOthers() throws {
    var shared = spare("m")
    shared.isMultiplexed = true
    let machine = try machine("run=hello end=halt", ports: [port(shared)], spares: [spare("s")])
    let directory = directory
    let (_, notes) = try run(machine) { notes in
      guard let qmp = try? QMPClient(directory["qmp"]) else { return }
      for id in ["m", "serial0", "s", "absent"] {
        notes.add(qmp.ask("chardev-change", Self.change(id, "null", "{}")))
      }
      notes.add(qmp.ask("query-chardev")?.contains(#""label": "s", "filename": "null""#))
      notes.add(qmp.ask("quit"))
    }
    #expect(
      notes == [
        "Mux device hotswap not supported yet",
        "Chardev user does not support chardev hotswap", "{}", "Chardev 'absent' does not exist",
        "true", "{}",
      ])
  }
}
