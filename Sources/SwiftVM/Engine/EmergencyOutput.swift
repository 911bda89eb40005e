import Chardev
import Host
import Synchronization
import VirtioConsole

/// Where bytes go that a guest writes to emerg_wr (virtio 1.2, 5.3.5): to the serial console, to a
/// host end of their own, or line by line to the log, so many lines a second.
///
/// `write` is callable on any thread, the rest on the loop's.
final class EmergencyOutput: Sendable {
  private static let longestLine = 256

  /// Where bytes are written; nil for the log.
  private let console: SerialConsole?
  private let hasOwnConsole: Bool
  private let line = Mutex<[UInt8]>([])
  private let log = RateLimitedLog()

  init(
    _ destination: MachineConfiguration.EmergencyOutput, serial: SerialConsole,
    remote: LoopHandle, faults: KernelFaultRecord
  ) {
    switch destination {
    case .log: (console, hasOwnConsole) = (nil, false)
    case .serial: (console, hasOwnConsole) = (serial, false)
    case .hostEnd(let chardev):
      console = SerialConsole(
        chardev: chardev, remote: remote, faults: faults, onOutput: {})
      hasOwnConsole = true
    }
  }

  /// Its host end, where that is not the serial console's.
  var ownConsole: SerialConsole? { hasOwnConsole ? console : nil }

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

  /// Writes what waits for a host end of its own, at the end; returns whether it may take more.
  func flush() -> Bool { ownConsole?.flush() == true }

  /// How far the reader of a host end of its own is.
  var progress: [UInt64] { ownConsole?.progress ?? [] }

  /// The same as `flush` for the last time, with a warning of what is lost; returns whether anything
  /// is.
  func conclude() -> Bool {
    guard let console = ownConsole else { return false }
    let isUntaken = console.flush()
    if isUntaken { Log.warning("the rest of the emergency output is lost") }
    let dropped = console.droppedByteCount
    console.giveUp()
    if dropped > 0 { Log.warning("\(dropped) bytes of the emergency output were dropped") }
    return isUntaken || dropped > 0
  }
}
