import CKVM
import Glibc
import Host

/// A chardev of which a record is kept (QEMU's `logfile=`).
///
/// What another chardev takes and gives is passed through and written down. A console's output is
/// written down even while nobody is connected, and counts as taken then; a channel's is kept for
/// the next client instead, and written down once it gets it.
package final class LoggedChardev: ChardevWrapper {
  package weak var delegate: (any ChardevDelegate)?

  package let backend: any Chardev
  private let log: ChardevLog
  private let takesUnattended: Bool

  /// Opens the record's file, which is emptied at the start where it is not to be added to.
  ///
  /// - Parameter takesUnattended: whether output that nobody is connected for goes to the record
  ///   alone.
  package init(
    _ backend: any Chardev, _ configuration: LogConfiguration, takesUnattended: Bool
  ) throws(ChardevError) {
    log = try ChardevLog(configuration)
    self.backend = backend
    self.takesUnattended = takesUnattended
    backend.delegate = self
  }

  package var limits: WriteLimits {
    let limits = backend.limits
    return WriteLimits(packet: limits.packet, call: min(limits.call, log.writeLimit))
  }

  package func start(on loop: EventLoop) throws(SystemError) {
    log.begin()
    try backend.start(on: loop)
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    switch backend.write(segments) {
    case .transferred(let count):
      log.note(.fromGuest, segments, count)
      return .transferred(count)
    case .lost(let count):
      log.note(.fromGuest, segments, count)
      return .lost(count)
    case .wouldBlock: return .wouldBlock
    case .disconnected:
      guard takesUnattended else { return .disconnected }
      let count = segments.byteCount
      log.note(.fromGuest, segments, count)
      return .transferred(count)
    }
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    let result = backend.read(into: segments)
    if case .transferred(let count) = result { log.note(.toGuest, segments, count) }
    return result
  }

  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    backend.setInterest(condition, isWanted)
  }

  package func stop() {
    backend.stop()
    log.finish()
  }
}

extension LoggedChardev: ChardevDelegate {
  package func chardevDidConnect(_ chardev: any Chardev) {
    log.note("connected")
    delegate?.chardevDidConnect(self)
  }

  package func chardevDidDisconnect(_ chardev: any Chardev) {
    log.note("disconnected")
    delegate?.chardevDidDisconnect(self)
  }

  package func chardevIsReadable(_ chardev: any Chardev) { delegate?.chardevIsReadable(self) }
  package func chardevIsWritable(_ chardev: any Chardev) { delegate?.chardevIsWritable(self) }
  package func chardevDidResize(_ chardev: any Chardev) { delegate?.chardevDidResize(self) }

  package func chardevDidReceiveBreak(_ chardev: any Chardev) {
    log.note("break")
    delegate?.chardevDidReceiveBreak(self)
  }
}
