import Chardev
import Glibc
import Host

@testable import Control

/// A machine that notes what commands make of it.
final class FakeMachine: MachineControl {
  var notes: [String] = []
  var name: String? = "vm"
  var runState = RunState.running
  var processors = [ProcessorReport(index: 0, thread: 7)]
  var pciFunctions: [PCIFunctionReport] = []
  var chardevs: [ChardevReport] = []
  var ports: [PortStatus] = []
  var buffers: [String: FakeRingBuffer] = [:]
  /// What the next change is refused with.
  var refusal: QMPError?
  /// What `addChardev` was given last.
  var added: ChardevConfiguration?
  /// What a client is connected to.
  var connection: Int32?

  private func note(_ text: String) throws(QMPError) {
    if let refusal { throw refusal }
    notes.append(text)
  }

  func pauseGuest() throws(QMPError) { try note("pause") }
  func resumeGuest() throws(QMPError) { try note("resume") }
  func resetGuest() throws(QMPError) { try note("reset") }
  func pressPowerButtonOfGuest() throws(QMPError) { try note("power button") }
  func quit() { notes.append("quit") }

  func addChardev(_ configuration: ChardevConfiguration) throws(QMPError) -> String? {
    try note("add \(configuration.id ?? "")")
    added = configuration
    if case .pseudoTerminal = configuration.backend { return "/dev/pts/3" }
    return nil
  }

  func changeChardev(_ configuration: ChardevConfiguration) throws(QMPError) -> String? {
    try note("change \(configuration.id ?? "")")
    added = configuration
    return nil
  }

  func removeChardev(id: String) throws(QMPError) { try note("remove chardev \(id)") }

  func sendBreak(toChardev id: String) { notes.append("break \(id)") }

  func ringBuffer(id: String) throws(QMPError) -> any RingBufferAccess {
    guard let buffer = buffers[id] else { throw QMPError("Device '\(id)' not found") }
    return buffer
  }

  func addPort(_ request: PortRequest) throws(QMPError) { try note("\(request)") }
  func addSerialDevice(_ request: SerialDeviceRequest) throws(QMPError) { try note("\(request)") }
  func removeDevice(id: String) throws(QMPError) { try note("remove device \(id)") }

  func isOpenInGuest(port word: String) -> Bool? {
    ports.first { $0.id == word || $0.name == word }?.isOpenInGuest
  }

  /// The backend of the port that `plug` is asked for.
  var plugged = ChardevConfiguration.none

  func plug(
    option: String, value: String, directory: String,
    check: (ChardevConfiguration) throws(QMPError) -> Void
  ) throws(QMPError) {
    try check(plugged)
    try note("plug \(option) \(value) in \(directory)")
  }

  func connect(toPort port: String) throws(QMPError) -> FileDescriptor {
    try note("connect \(port)")
    guard let connection else { throw QMPError("no connection") }
    return FileDescriptor(owning: dup(connection))
  }
}

/// Bytes in, bytes out.
final class FakeRingBuffer: RingBufferAccess {
  var contents: [UInt8] = []
  /// Who waits, and for what.
  private(set) var waiting: (text: [UInt8], whenFound: () -> Void)?

  func wait(for text: [UInt8], whenFound: @escaping () -> Void) -> () -> Void {
    waiting = (text, whenFound)
    return { [weak self] in self?.waiting = nil }
  }

  func read(limit: Int) -> [UInt8] {
    defer { contents = Array(contents.dropFirst(limit)) }
    return Array(contents.prefix(limit))
  }

  func write(_ bytes: [UInt8]) { contents += bytes }
}

extension PortStatus {
  /// A port of that name.
  static func named(_ name: String, isOpen: Bool) -> PortStatus {
    var port = PortStatus(device: "vs0", number: 1, name: name, isConsole: false, chardev: "c")
    port.isOpenInGuest = isOpen
    return port
  }
}
