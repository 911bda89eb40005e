import Glibc
import SwiftVM
import Synchronization
import TestSupport
import Testing

/// Machines that are paused, go on, and are reset from outside, by the library, in this process.
@Suite(MicroVM.requirement)
struct PauseTests {
  private let directory: TemporaryDirectory
  private let events = Events()

  init() throws { directory = try TemporaryDirectory() }

  /// A machine with port "a", id "p", whose guest reports to the file `log`.
  private func machine(
    _ commandLine: String, resetPolicy: VirtualMachineConfiguration.ResetPolicy = .reboot
  ) throws -> VirtualMachine {
    let port = VirtioConsolePortConfiguration(
      id: "p", name: "a", attachment: .unixSocketServer(path: directory["a"]))
    let machine = try VirtualMachine(
      VirtualMachineConfiguration(
        bootLoader: LinuxBootLoader(kernelPath: Checkout.microGuest, commandLine: commandLine),
        memorySize: 16 << 20,
        consoleDevices: [VirtioConsoleDeviceConfiguration(id: "vs0", ports: [port])],
        serialPort: SerialPortConfiguration(attachment: .file(path: directory["log"])),
        resetPolicy: resetPolicy))
    machine.addEventHandler { [events] in events.add($0) }
    return machine
  }

  @Test("A hundred pauses in the midst of a flood: every byte arrives, in order, at a slow client")
  func losesNothingOfAFlood() throws {
    let count = 2_000_000
    let machine = try machine("run=flood mode=msix port=a wait=host bytes=\(count)")
    let directory = directory
    let received = Received()
    let (outcome, _) = try run(machine) { _ in
      guard let client = try? SocketClient(directory["a"]) else { return }
      let pauses = startThread {
        for _ in 1...100 {
          machine.pause()
          machine.resume()
          usleep(1000)
        }
      }
      received.set(client.rest())
      pthread_join(pauses, nil)
    }
    #expect(outcome == .poweredOff)
    let bytes = received.bytes
    #expect(bytes.count == count)
    #expect(bytes.enumerated().allSatisfy { $1 == UInt8(97 + $0 / 256 % 26) })
  }

  @Test(
    "A hundred pauses with a line on its way each time: each is answered, once",
    arguments: ["msix", "intx", "poll"])
  func losesNoLine(mode: String) throws {
    let machine = try machine("run=console mode=\(mode) port=a wait=host echo=100")
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let client = try? SocketClient(directory["a"]) else { return }
      for number in 1...100 {
        if number % 2 == 0 { machine.pause() }
        client.send("\(number)\n")
        if number % 2 == 1 { machine.pause() }
        machine.resume()
        notes.add(client.line())
      }
    }
    #expect(outcome == .poweredOff)
    #expect(notes == (1...100).map { "echo \($0)" })
  }

  @Test("Nothing moves in a pause, and what clients send waits")
  func standsStill() throws {
    let machine = try machine("run=flood,console mode=msix port=a wait=host")
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let client = try? SocketClient(directory["a"]) else { return }
      _ = client.receive()
      for _ in 1...2 { machine.pause() }
      notes.add(machine.isPaused)
      client.send("x\n")
      func counts() -> [UInt64] {
        machine.consoleDeviceReports.flatMap(\.ports).flatMap { [$0.bytesToHost, $0.bytesToGuest] }
      }
      let before = counts()
      for _ in 1...10 {
        _ = client.sendWhatFits([0])
        usleep(5000)
      }
      notes.add(before == counts())
      for _ in 1...2 { machine.resume() }
      notes.add(machine.isPaused)
      notes.add(
        waitUntil {
          _ = client.receive()
          return counts()[0] > before[0]
        })
      machine.stop()
    }
    #expect(outcome == .stoppedByUser)
    #expect(notes == ["true", "true", "false", "true"])
    #expect(
      events.withoutPorts == [.paused, .resumed, .shutdown(.stoppedByUser)])
  }

  @Test("A machine that is paused before it runs does not begin; it ends while paused, too")
  func beginsPaused() throws {
    let machine = try machine("run=console mode=msix port=a wait=host send=hello echo=1")
    machine.pause()
    #expect(machine.isPaused)
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let client = try? SocketClient(directory["a"]) else { return }
      notes.add(
        waitUntil {
          machine.consoleDeviceReports.contains { $0.ports.contains(where: \.isOpenOnHost) }
        })
      notes.add(directory.text(of: "log"))
      machine.resume()
      notes.add(client.line())
      machine.pause()
      machine.stop()
      notes.add(client.isAtEnd)
    }
    #expect(outcome == .stoppedByUser)
    #expect(notes == ["true", "", "hello", "true"])
    machine.pause()
    machine.reset()
    machine.pressPowerButton()
    machine.resume()
    #expect(events.withoutPorts == [.resumed, .paused, .shutdown(.stoppedByUser)])
  }

  @Test("A reset from outside boots anew; in a pause, the guest begins once it goes on")
  func resets() throws {
    let machine = try machine("run=console mode=msix port=a wait=host send=hello echo=1 end=spin")
    let directory = directory
    machine.reset()
    let (outcome, notes) = try run(machine) { notes in
      guard let client = try? SocketClient(directory["a"]) else { return }
      notes.add(client.line())
      machine.reset()
      notes.add(client.line())
      machine.pause()
      machine.reset()
      notes.add(machine.isPaused)
      client.send("x\n")
      notes.add(directory.count(of: "port 1 opened"))
      machine.resume()
      notes.add(client.line())
      notes.add(client.line())
      machine.stop()
    }
    #expect(outcome == .stoppedByUser)
    #expect(notes == ["hello", "hello", "true", "2", "hello", "echo x"])
    #expect(
      events.withoutPorts == [
        .reset(byGuest: false), .paused, .reset(byGuest: false), .resumed,
        .shutdown(.stoppedByUser),
      ])
  }

  @Test("A reset ends a machine that is to end then, paused or not; the client gets what was sent")
  func resetsToTheEnd() throws {
    for isPaused in [false, true] {
      let machine = try machine(
        "run=console mode=msix port=a wait=host send=hello end=spin", resetPolicy: .exit)
      let directory = directory
      let (outcome, notes) = try run(machine) { notes in
        guard let client = try? SocketClient(directory["a"]) else { return }
        notes.add(client.line())
        if isPaused { machine.pause() }
        machine.reset()
        notes.add(client.isAtEnd)
      }
      #expect(outcome == .reset)
      #expect(notes == ["hello", "true"])
      #expect(events.withoutPorts.last == .shutdown(.reset))
    }
  }

  @Test("The guest's own resets, its end, and its ports are told of")
  func tellsEvents() throws {
    let machine = try machine(
      "run=console mode=msix port=a wait=host send=hello echo=1 end=asked")
    let directory = directory
    let (outcome, _) = try run(machine) { notes in
      guard let client = try? SocketClient(directory["a"]) else { return }
      for way in ["reset-cf9", "poweroff"] {
        notes.add(client.line())
        if way == "reset-cf9" { machine.pressPowerButton() }
        client.send(way + "\n")
        notes.add(client.line())
      }
    }
    #expect(outcome == .poweredOff)
    #expect(
      events.withoutPorts == [
        .powerButtonPressed, .reset(byGuest: true), .shutdown(.poweredOff),
      ])
    // The guest closes its port, or resets the device, before each end.
    let changes = events.all.filter { if case .portChanged = $0 { true } else { false } }
    #expect(
      changes.prefix(3) == [
        .portChanged(id: "p", isOpen: true), .portChanged(id: "p", isOpen: false),
        .portChanged(id: "p", isOpen: true),
      ])
  }
}

/// What a client has got in all.
private final class Received: Sendable {
  private let content = Mutex<[UInt8]>([])
  var bytes: [UInt8] { content.withLock { $0 } }
  func set(_ bytes: [UInt8]) { content.withLock { $0 = bytes } }
}

/// What a machine's handler heard.
private final class Events: Sendable {
  private let events = Mutex<[VirtualMachineEvent]>([])
  var all: [VirtualMachineEvent] { events.withLock { $0 } }
  func add(_ event: VirtualMachineEvent) { events.withLock { $0.append(event) } }

  var withoutPorts: [VirtualMachineEvent] {
    all.filter {
      switch $0 {
      case .portChanged, .ended: false
      default: true
      }
    }
  }
}

extension TemporaryDirectory {
  /// How many lines of the guest's log are this one.
  fileprivate func count(of line: String) -> Int {
    text(of: "log").split(whereSeparator: \.isNewline).count { $0 == line }
  }
}
