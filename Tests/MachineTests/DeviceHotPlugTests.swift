import Glibc
import SwiftVM
import Synchronization
import TestSupport
import Testing

@testable import swiftvm_cli

/// Whole devices that come and go while the guest runs, by the library, in this process.
@Suite(MicroVM.requirement)
struct DeviceHotPlugTests {
  private let directory: TemporaryDirectory
  private let gone = Gone()

  init() throws { directory = try TemporaryDirectory() }

  private func device(
    _ id: String, port: String, slot: Int? = nil
  ) -> VirtioConsoleDeviceConfiguration {
    VirtioConsoleDeviceConfiguration(
      id: id,
      ports: [
        VirtioConsolePortConfiguration(
          id: id + "p", name: port, attachment: .unixSocketServer(path: directory[port]))
      ], slot: slot)
  }

  /// A machine whose guest reports to the file `log`.
  private func machine(
    _ commandLine: String, _ devices: [VirtioConsoleDeviceConfiguration],
    allowsHotPlug: Bool = true
  ) throws -> VirtualMachine {
    var configuration = VirtualMachineConfiguration(
      bootLoader: LinuxBootLoader(kernelPath: Checkout.microGuest, commandLine: commandLine),
      memorySize: 16 << 20, consoleDevices: devices,
      serialPort: SerialPortConfiguration(attachment: .file(path: directory["log"])))
    configuration.allowsHotPlug = allowsHotPlug
    let machine = try VirtualMachine(configuration)
    machine.addEventHandler { [gone] in
      if case .deviceRemoved(let id?) = $0 { gone.add(id) }
    }
    return machine
  }

  private static func says(_ line: String, times: Int = 1, in log: TemporaryDirectory) -> Bool {
    waitUntil {
      log.text(of: "log").split(whereSeparator: \.isNewline).count { $0 == line } >= times
    }
  }

  @Test(
    "A device comes, talks, and goes, ten times; its neighbour stays", arguments: ["msix", "intx"])
  func replugs(mode: String) throws {
    let machine = try machine(
      "run=replugged cycles=11 device=1 mode=\(mode) port=late wait=host send=hello"
        + " echo=1", [device("vs0", port: "first")])
    let (directory, late, gone) = (directory, device("vs1", port: "late"), gone)
    let (outcome, notes) = try run(machine) { notes in
      guard Self.says("waiting for slots", in: directory) else { return notes.add("no guest") }
      for cycle in 1...11 {
        do { try machine.addDevice(late) } catch { return notes.add("\(error)") }
        guard let client = try? SocketClient(directory["late"]) else { return notes.add("none") }
        // The last one is not asked for by the guest, which ends.
        if cycle == 11 { return machine.stop() }
        notes.add(client.line())
        client.send("\(cycle)\n")
        notes.add(client.line())
        do { try machine.removeDevice(id: "vs1") } catch { return notes.add("\(error)") }
        guard waitUntil({ gone.all.count == 2 * cycle }) else { return notes.add("not gone") }
        if !client.isAtEnd { notes.add("not closed") }
      }
    }
    #expect(outcome == .stoppedByUser)
    #expect(notes == (1...10).flatMap { ["hello", "echo \($0)"] })
    #expect(gone.all == (1...10).flatMap { _ in ["vs1p", "vs1"] })
    #expect(directory.text(of: "log").contains("slot 2 filled: 0x10431af4, memory at 0x0\n"))
    #expect(directory.entries == ["log"])
  }

  @Test(
    "A guest that does not answer keeps its device until it is reset; the others keep their slots")
  func completesAtReset() throws {
    let machine = try machine(
      "run=pci end=spin", [device("vs0", port: "a"), device("vs1", port: "b")])
    let (directory, third) = (directory, device("vs2", port: "c", slot: 9))
    let (outcome, notes) = try run(machine) { notes in
      notes.add(Self.says("pci functions 3", in: directory))
      notes.add(problem { () throws(ConfigurationError) in try machine.removeDevice(id: "vs0") })
      notes.add(problem { () throws(ConfigurationError) in try machine.removeDevice(id: "vs0") })
      notes.add(problem { () throws(ConfigurationError) in try machine.addDevice(third) })
      notes.add(directory.entries.joined(separator: " "))
      machine.reset()
      notes.add(directory.entries.joined(separator: " "))
      notes.add(Self.says("pci functions 3", times: 2, in: directory))
      machine.stop()
    }
    #expect(outcome == .stoppedByUser)
    #expect(
      notes == [
        "true", "none",
        "--virtio-serial id=vs0: Device vs0 is already in the process of unplug;"
          + " wait for the guest, which has been asked again, or reset it", "none", "a b c log",
        "b c log", "true",
      ])
    #expect(gone.all == ["vs0p", "vs0"])
    let lines = directory.text(of: "log").split(whereSeparator: \.isNewline)
    let found = lines.filter { $0.hasPrefix("pci ") && $0.contains("0x1043") }
    #expect(found.map { $0.prefix(6) } == ["pci 1:", "pci 2:", "pci 2:", "pci 9:"])
  }

  @Test("A guest may let devices go by itself; empty slots and the host bridge's change nothing")
  func ejectsByItself() throws {
    let machine = try machine(
      "run=eject,eject,pci slots=0xfffffffd", [device("vs0", port: "a"), device("vs1", port: "b")])
    #expect(try machine.run() == .poweredOff)
    #expect(gone.all == ["vs1p", "vs1"])
    #expect(Self.says("pci functions 2", in: directory))
    let lines = directory.text(of: "log").split(whereSeparator: \.isNewline)
    #expect(lines.contains { $0.hasPrefix("pci 0: 0x8086") })
    #expect(lines.contains { $0.hasPrefix("pci 1: 0x1af4") })
  }

  @Test("In a pause devices come, are asked to go, and are reset away")
  func changesWhilePaused() throws {
    let machine = try machine(
      "run=replugged device=1 mode=msix port=late wait=host send=hello echo=1",
      [device("vs0", port: "first")])
    let (directory, late, gone) = (directory, device("vs1", port: "late"), gone)
    let (outcome, notes) = try run(machine) { notes in
      guard Self.says("waiting for slots", in: directory) else { return notes.add("no guest") }
      machine.pause()
      notes.add(problem { () throws(ConfigurationError) in try machine.addDevice(late) })
      guard let client = try? SocketClient(directory["late"]) else { return }
      client.send("x\n")
      machine.resume()
      notes.add(client.line())
      notes.add(client.line())
      machine.pause()
      notes.add(problem { () throws(ConfigurationError) in try machine.removeDevice(id: "vs1") })
      notes.add(gone.all.count)
      machine.resume()
    }
    #expect(outcome == .poweredOff)
    #expect(notes == ["none", "hello", "echo x", "none", "0"])
  }

  @Test func changesBeforeItRuns() throws {
    let machine = try machine("run=pci", [device("vs0", port: "a")], allowsHotPlug: false)
    try machine.addDevice(device("vs1", port: "b", slot: 20))
    #expect(directory.entries.contains("b"))
    try machine.removeDevice(id: "vs0")
    #expect(!directory.entries.contains("a"))
    #expect(gone.all.isEmpty, "nothing was there yet")
    #expect(try machine.run() == .poweredOff)
    #expect(Self.says("pci functions 2", in: directory))
    #expect(directory.text(of: "log").contains("pci 20: 0x1af4"))
  }

  @Test("The backend of a device that goes waits for another port if it has an id")
  func keepsANamedBackend() throws {
    let machine = try machine("run=hello", [device("vs0", port: "a")])
    var added = device("vs1", port: "b")
    added.ports[0].attachment.id = "c"
    try machine.addDevice(added)
    try machine.removeDevice(id: "vs1")
    #expect(directory.entries.contains("b"), "it is not the device's alone")
    try machine.addPort(added.ports[0], toDevice: "vs0")
    try machine.removePort(id: "vs1p")
    #expect(directory.entries.contains("b"))
    #expect(try machine.run() == .poweredOff)
    #expect(directory.entries == ["log"])
  }

  @Test("A device that cannot be had leaves no backend open, not even one with an id")
  func takesBackWhatItHasOpened() throws {
    let machine = try machine("run=hello", [device("vs0", port: "a")])
    let before = directory.entries
    #expect(mkfifo(directory["fifo"], 0o600) == 0)
    var refused = device("vs1", port: "b")
    refused.ports[0].attachment.id = "c"
    var broken = refused.ports[0]
    (broken.id, broken.name) = ("p", "p")
    broken.attachment = .none
    broken.attachment.log = LogConfiguration(path: directory["fifo"])
    refused.ports.append(broken)
    let refusal = problem { () throws(ConfigurationError) in try machine.addDevice(refused) }
    #expect(refusal.contains("no reader"))
    #expect(directory.entries == (before + ["fifo"]).sorted())
    refused.ports.removeLast()
    try machine.addDevice(refused)
    #expect(directory.entries.contains("b"))
    #expect(try machine.run() == .poweredOff)
  }

  @Test("A guest that has not been told of it keeps its devices, and gets no others")
  func refusesWhatIsNotAllowed() throws {
    let machine = try machine(
      "run=hello end=spin", [device("vs0", port: "a")], allowsHotPlug: false)
    let (directory, other) = (directory, device("vs1", port: "b"))
    let (_, notes) = try run(machine) { notes in
      notes.add(Self.says("done", in: directory))
      notes.add(problem { () throws(ConfigurationError) in try machine.addDevice(other) })
      notes.add(problem { () throws(ConfigurationError) in try machine.removeDevice(id: "vs0") })
      notes.add(directory.entries.contains("b"))
      machine.stop()
    }
    let refusal =
      "the guest does not expect devices to come or go while it runs;"
      + " set allowsHotPlug in the machine's configuration"
    #expect(
      notes == [
        "true", "--virtio-serial id=vs1: " + refusal, "--virtio-serial id=vs0: " + refusal, "false",
      ])
    #expect(gone.all == [])
  }

  @Test func refusesWhatCannotBe() throws {
    var onMMIO = device("vs1", port: "b")
    onMMIO.transport = .mmio
    let machine = try machine("run=hello end=spin", [device("vs0", port: "a")])
    let (directory, other) = (directory, device("vs1", port: "b", slot: 1))
    let same = device("vs0", port: "b")
    let samePort = device("vs1", port: "a")
    let (_, notes) = try run(machine) { [onMMIO] notes in
      notes.add(Self.says("done", in: directory))
      let before = directory.entries
      for wrong in [onMMIO, other, same, samePort] {
        notes.add(problem { () throws(ConfigurationError) in try machine.addDevice(wrong) })
      }
      notes.add(problem { () throws(ConfigurationError) in try machine.removeDevice(id: "no") })
      notes.add(directory.entries == before)
      machine.stop()
    }
    #expect(
      notes == [
        "true",
        "--virtio-serial id=vs1: devices on mmio cannot come or go while the machine runs;"
          + " give a device on pci",
        "--virtio-serial id=vs1: slot 1 of the PCI bus is in use",
        "--virtio-serial id=vs0: Duplicate device ID 'vs0'; give another id, or none",
        "--virtserialport name=a: A port already exists by name a; choose another name",
        "--virtio-serial id=no: there is no such device; give the id of a device", "true",
      ])
    #expect(
      problem { () throws(ConfigurationError) in try machine.addDevice(other) }
        == "the machine has ended")
  }

  @Test("P17: a device that may not reach memory leaves it alone, and goes on without a new kick")
  func heedsBusMaster() throws {
    let machine = try machine(
      "run=unmastered mode=msix port=a wait=host", [device("vs0", port: "a")])
    let directory = directory
    let (outcome, notes) = try run(machine) { notes in
      guard let client = try? SocketClient(directory["a"]) else { return }
      notes.add(client.line())
    }
    #expect(outcome == .poweredOff)
    #expect(notes == ["held"])
    #expect(Self.says("held", in: directory))
  }
}

/// What a call complains of.
private func problem(_ change: () throws(ConfigurationError) -> Void) -> String {
  do throws(ConfigurationError) { try change() } catch { return UsageError(error).description }
  return "none"
}

/// The ids that were told to be gone, in order.
private final class Gone: Sendable {
  private let ids = Mutex<[String]>([])
  var all: [String] { ids.withLock { $0 } }
  func add(_ id: String) { ids.withLock { $0.append(id) } }
}
