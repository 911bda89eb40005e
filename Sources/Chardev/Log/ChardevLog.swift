import CKVM
import Glibc
import Host

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
