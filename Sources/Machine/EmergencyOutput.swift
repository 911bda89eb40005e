import Host
import Synchronization

/// Where bytes go that a guest writes to emerg_wr: line by line to the log, so many lines a second
/// (virtio 1.2, 5.3.5). Callable on any thread.
final class EmergencyOutput: Sendable {
  private static let longestLine = 256

  private let line = Mutex<[UInt8]>([])
  private let log = RateLimitedLog()

  func write(_ byte: UInt8) {
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
