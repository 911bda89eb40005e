import Glibc
import SwiftVM
import TestSupport
import Testing

@testable import swiftvm_cli

/// Ports that come and go, by the library, in this process.
@Suite(MicroVM.requirement)
struct HotPlugTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func port(
    _ name: String, id: String? = nil, number: Int? = nil
  ) -> VirtioConsolePortConfiguration {
    VirtioConsolePortConfiguration(
      id: id, number: number, name: name, attachment: .unixSocketServer(path: directory[name]))
  }

  /// A machine whose guest reports to the file `log`.
  private func machine(_ commandLine: String, ports: [String]) throws -> VirtualMachine {
    try VirtualMachine(
      VirtualMachineConfiguration(
        bootLoader: LinuxBootLoader(kernelPath: Checkout.microGuest, commandLine: commandLine),
        memorySize: 16 << 20,
        consoleDevices: [
          VirtioConsoleDeviceConfiguration(id: "vs0", ports: ports.map { port($0) })
        ],
        serialPort: SerialPortConfiguration(attachment: .file(path: directory["log"]))))
  }

  private static func waitForLine(_ line: String, times: Int = 1, in log: TemporaryDirectory)
    -> Bool
  {
    waitUntil {
      log.text(of: "log").split(whereSeparator: \.isNewline).count { $0 == line } >= times
    }
  }

  @Test("A port that comes while the guest runs works, and is there after a reset")
  func addsAPort() throws {
    let machine = try machine(
      "run=console mode=msix port=late wait=host send=hello echo=1 end=asked", ports: ["first"])
    let (directory, late) = (directory, port("late", id: "p"))
    let (outcome, notes) = try run(machine) { notes in
      notes.add(Self.waitForLine("port 1 named first", in: directory))
      notes.add(try? machine.addPort(late, toDevice: "vs0"))
      guard let client = try? SocketClient(late.name.map { directory[$0] } ?? "") else { return }
      for way in ["reset-cf9", "poweroff"] {
        notes.add(client.line())
        client.send(way + "\n")
        notes.add(client.line())
      }
    }
    #expect(outcome == .poweredOff)
    #expect(
      notes == ["true", "2", "hello", "echo reset-cf9", "hello", "echo poweroff"])
    #expect(directory.entries == ["log"])
  }

  @Test("A port that goes takes its socket and its client along, and stays away after a reset")
  func removesAPort() throws {
    let machine = try machine(
      "run=console mode=msix port=a wait=host send=hello echo=1 end=asked", ports: ["a", "b"])
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let client = try? SocketClient(directory["a"]),
        let other = try? SocketClient(directory["b"])
      else { return }
      notes.add(client.line())
      notes.add(Self.waitForLine("port 2 named b", in: directory))
      notes.add((try? machine.removePort(named: "b")) != nil)
      notes.add(other.isAtEnd)
      notes.add(directory.entries.joined(separator: " "))
      notes.add(Self.waitForLine("port 2 removed", in: directory))
      for way in ["reset-cf9", "poweroff"] {
        client.send(way + "\n")
        notes.add(client.line())
        if way == "reset-cf9" { notes.add(client.line()) }
      }
    }
    #expect(outcome == .poweredOff)
    #expect(
      notes == [
        "hello", "true", "true", "true", "a log", "true", "echo reset-cf9", "hello",
        "echo poweroff",
      ])
    #expect(Self.waitForLine("port 1 added", times: 2, in: directory))
    #expect(!Self.hasLine("port 2 added", times: 2, in: directory))
  }

  private static func hasLine(_ line: String, times: Int, in log: TemporaryDirectory) -> Bool {
    log.text(of: "log").split(whereSeparator: \.isNewline).count { $0 == line } >= times
  }

  @Test("The same name comes and goes, before the machine runs and while it does")
  func changesItsMind() throws {
    let machine = try machine("run=console mode=msix port=last wait=host echo=1", ports: [])
    let (x, last) = (port("x", id: "p"), port("last", number: 21))
    for _ in 1...3 {
      #expect(try machine.addPort(x) == 1)
      #expect(directory.entries == ["x"] || directory.entries == ["log", "x"])
      try machine.removePort(id: "p")
      #expect(!directory.entries.contains("x"))
    }
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      notes.add(Self.waitForLine("ready", in: directory))
      // Numbers of their own: the micro guest does not take buffers back from a port that goes.
      for number in 1...20 {
        var x = x
        x.number = number
        _ = try? machine.addPort(x)
        try? machine.removePort(named: "x")
      }
      notes.add(try? machine.addPort(last))
      guard let client = try? SocketClient(directory["last"]) else { return }
      client.send("still here\n")
      notes.add(client.line())
    }
    #expect(outcome == .poweredOff)
    #expect(notes == ["true", "21", "echo still here"])
  }

  @Test func stopsAGuestThatDoesNotEnd() throws {
    let machine = try machine("run=hello end=spin", ports: ["a"])
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      notes.add(Self.waitForLine("done", in: directory))
      machine.stop()
    }
    #expect(outcome == .stoppedByUser)
    #expect(notes == ["true"])
    #expect(directory.entries == ["log"])
  }

  @Test func refusesPortsThatDoNotFit() throws {
    let machine = try machine("run=hello", ports: ["a", "b"])
    func problem(_ change: () throws(ConfigurationError) -> Void) -> String? {
      do throws(ConfigurationError) { try change() } catch {
        return UsageError(error).description.replacing(directory.path, with: "DIR")
      }
      return nil
    }
    func adding(_ port: VirtioConsolePortConfiguration, to device: String? = nil) -> String? {
      problem { () throws(ConfigurationError) in try machine.addPort(port, toDevice: device) }
    }
    let before = directory.entries
    var other = port("other")
    #expect(
      adding(port("a"))
        == "--virtserialport name=a: A port already exists by name a; choose another name")
    #expect(
      adding(port("c", number: 2)) == "--virtserialport nr=2: A port already exists at id 2;"
        + " give another number, or leave nr out")
    #expect(
      adding(port("c", number: 31)) == "--virtserialport nr=31: Out-of-range port id specified,"
        + " max. allowed: 30; give a number below 31, or the device max-ports=32")
    #expect(
      adding(port("c", id: "vs0"))
        == "--virtserialport id=vs0: Duplicate device ID 'vs0'; give another id, or none")
    #expect(
      adding(port("c"), to: "vs1") == "--virtio-serial id=vs1: there is no such device;"
        + " give the id of a device")
    other.attachment = .unixSocketServer(path: directory["a"])
    #expect(
      adding(other) == "--virtserialport socket=DIR/a: this path is in use already;"
        + " give every port a path of its own")
    other.attachment = .standardIO
    #expect(
      adding(other) == "--virtserialport stdio: standard input and output are given out at the"
        + " start; give socket=PATH or file=PATH")
    #expect(
      problem { () throws(ConfigurationError) in try machine.removePort(id: "a") }
        == "--virtserialport id=a: there is no such port; give the id or the name of a port")
    #expect(directory.entries == before)
    #expect(try machine.run() == .poweredOff)
    #expect(adding(port("late")) == "the machine has ended")
    #expect(
      problem { () throws(ConfigurationError) in try machine.removePort(named: "a") }
        == "the machine has ended")
    #expect(directory.entries == ["log"])
  }

  @Test("Reports count over resets, and outlast the machine")
  func reports() throws {
    let machine = try machine(
      "run=console mode=msix port=a wait=host send=hello echo=1 end=asked", ports: ["a", "b"])
    #expect(machine.consoleDeviceReports.map(\.label) == ["vs0"])
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let client = try? SocketClient(directory["a"]) else { return }
      notes.add(client.line())
      notes.add(Self.waitForLine("port 1 host open", in: directory))
      let ports = machine.consoleDeviceReports.flatMap(\.ports)
      notes.add(ports.map { "\($0.number)\($0.name ?? "")" }.joined(separator: " "))
      notes.add(ports.map { "\($0.isOpenInGuest)-\($0.isOpenOnHost)" }.joined(separator: " "))
      client.send("reset-cf9\n")
      notes.add(client.line())
      notes.add(client.line())
      client.send("poweroff\n")
      notes.add(client.line())
    }
    #expect(outcome == .poweredOff)
    #expect(
      notes == [
        "hello", "true", "1a 2b", "true-true false-false", "echo reset-cf9", "hello",
        "echo poweroff",
      ])
    let last = try #require(machine.consoleDeviceReports.first?.ports.first)
    #expect(last.bytesToHost == UInt64("hello\necho reset-cf9\nhello\necho poweroff\n".utf8.count))
    #expect(last.bytesToGuest == UInt64("reset-cf9\npoweroff\n".utf8.count))
    #expect(last.connectionCount == 1)
  }
}
