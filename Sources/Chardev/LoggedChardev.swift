import CKVM
import Glibc
import Host

/// A chardev of which a record is kept (QEMU's `logfile=`).
///
/// What another chardev takes and gives is passed through and written down. A console's output is
/// written down even while no client is connected, and counts as taken then; a channel's is kept for
/// the next client instead, and written down once that client gets it.
package final class LoggedChardev: ChardevWrapper {
  package weak var delegate: (any ChardevDelegate)?

  package let backend: any Chardev
  private let log: ChardevLog
  private let takesUnattended: Bool

  /// Opens the record's file, which is emptied at the start where it is not to be added to.
  ///
  /// - Parameter takesUnattended: whether output goes to the record alone while no client is
  ///   connected.
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

/// The file that a chardev's record is written to: what the guest writes as it is, or else lines of
/// both directions with their time.
///
/// Never waits: what the file does not take at once (it is a pipe or a terminal, or its disk is
/// full) is left out and counted.
final class ChardevLog {
  private let file: OutputEnd
  private let path: String
  private let warnings = RateLimitedLog(linesPerSecond: 1)
  private var annotator: LineAnnotator?
  /// Bytes of the record that the file did not take.
  private(set) var bytesLeftOut: UInt64 = 0

  init(_ configuration: LogConfiguration) throws(ChardevError) {
    SignalSource.ignoreWriteFailures()
    path = configuration.path
    file = try OutputEnd(path: path, appends: configuration.appends)
    annotator = configuration.isAnnotated ? LineAnnotator() : nil
  }

  /// The machine begins: what was in the file goes, where it is not to be added to.
  func begin() { file.beginFile() }

  /// How much of a record is written without delay: a line for each byte, at worst, where there are
  /// lines.
  var writeLimit: Int { annotator == nil ? .max : 4 << 10 }

  /// Bytes that have passed: the first `count` of the segments.
  func note(
    _ direction: LineAnnotator.Direction, _ segments: UnsafeBufferPointer<iovec>, _ count: Int
  ) {
    guard annotator != nil else {
      if direction == .fromGuest { write(segments.part(from: 0, limit: count)) }
      return
    }
    segments.forEachPiece(limit: count) { piece in
      annotator?.take(piece, direction, at: WallClock.now())
    }
    writeLines()
  }

  /// Something else has happened; worth a line only where lines are written.
  func note(_ event: String) {
    annotator?.note(event, at: WallClock.now())
    writeLines()
  }

  /// The last line, although it is not whole.
  func finish() {
    annotator?.finishLine()
    writeLines()
  }

  private func writeLines() {
    guard let text = annotator?.takeText(), !text.isEmpty else { return }
    text.withUnsafeBytes { $0.asSegment { write(Array($0)) } }
  }

  private func write(_ segments: [iovec]) {
    segments.withUnsafeBufferPointer { segments in
      let total = segments.byteCount
      var done = 0
      while done < total {
        let rest = segments.part(from: done, limit: total)
        guard case .transferred(let count) = rest.withUnsafeBufferPointer({ file.write($0) }),
          count > 0
        else { return leaveOut(total - done) }
        done += count
      }
    }
  }

  private func leaveOut(_ count: Int) {
    bytesLeftOut &+= UInt64(count)
    warnings.warning(
      "log '\(path)' takes no more now; \(bytesLeftOut) bytes have been left out of it so far")
  }
}
