import Chardev
import Host
import Synchronization
import VirtioConsole

/// The consoles without virtio: COM1, and emergency writes where they have a backend of their own; on the
/// I/O thread.
struct SerialConsoles {
  /// COM1's.
  let serial: SerialConsole
  /// What COM1's backend is called.
  let serialLabel: String
  /// Where emergency writes go.
  let emergencyOutput: EmergencyOutput
  private let emergency: SerialConsole?

  /// Opens their backends.
  ///
  /// - Parameter faults: what the guest's kernel tells of itself is noted there, at once.
  init(
    _ configuration: VirtualMachineConfiguration, _ backends: Backends, loop: EventLoop,
    faults: KernelFaultRecord
  ) throws(ConfigurationError) {
    let port = configuration.serialPort
    serialLabel = port.label
    var chardev: (any Chardev)?
    if port.attachment != .none {
      chardev = try backends.open(
        port.attachment, of: .root.serialPort, isForConsole: true, label: serialLabel)
    }
    serial = SerialConsole(
      chardev, waitsForReader: port.waitsForReader, loop: loop, faults: faults)
    if let attachment = configuration.emergencyAttachment {
      emergency = SerialConsole(
        try backends.open(attachment, of: .root.emergencyOutput, label: "emergency"), loop: loop,
        faults: faults)
    } else {
      emergency = nil
    }
    emergencyOutput = EmergencyOutput(to: emergency ?? (chardev == nil ? nil : serial))
  }

  /// Those that have a backend: what each is called in reports, what its backend is called, and its backend.
  var connected:
    [(label: String, chardevLabel: String, console: SerialConsole, chardev: any Chardev)]
  {
    [("serial", serialLabel, serial), ("emergency", "emergency", emergency)].compactMap {
      guard let console = $2, let chardev = console.chardev else { return nil }
      return ($0, $1, console, chardev)
    }
  }

  /// Writes what waits, as far as backends take it now; returns whether they may take more.
  func flush() -> Bool { connected.map { $0.console.flush() }.contains(true) }

  /// How far readers are.
  var progress: [UInt64] { connected.flatMap(\.console.progress) }

  /// Flushes for the last time, with warnings of what is lost; returns whether anything is.
  func conclude() -> Bool {
    let isSerialLost = serial.conclude("serial console's output")
    return emergency?.conclude("emergency output") == true || isSerialLost
  }
}

/// Where bytes go that a guest writes to emerg_wr (virtio 1.2, 5.3.5): to a console's backend, or line by
/// line to the log, so many lines a second.
///
/// Callable on any thread.
final class EmergencyOutput: Sendable {
  private static let longestLine = 256

  /// Where bytes are written; nil for the log.
  private let console: SerialConsole?
  private let line = Mutex<[UInt8]>([])
  private let log = RateLimitedLog()

  /// - Parameter console: nil for the log.
  init(to console: SerialConsole?) { self.console = console }

  func write(_ byte: UInt8) {
    if let console { return console.write(byte) }
    let complete: [UInt8]? = line.withLock { line in
      if byte != UInt8(ascii: "\n") { line.append(byte) }
      guard byte == UInt8(ascii: "\n") || line.count >= Self.longestLine else { return nil }
      defer { line = [] }
      return line
    }
    guard let complete else { return }
    log.warning("guest, emergency: \(String(decoding: complete, as: UTF8.self))")
  }
}
