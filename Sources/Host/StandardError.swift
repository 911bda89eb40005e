import Glibc

/// Standard error, written to without being held up by whoever reads it.
///
/// Callable on any thread.
package enum StandardError {
  /// How long an error and a program's last words may wait for a reader, in milliseconds.
  package static let finalPatience: Int32 = 1000

  /// Writes a text as it is, as far as it is taken in time; says whether all of it was.
  ///
  /// - Parameter patience: how many milliseconds the whole may take; 0 for what is taken at once.
  @discardableResult
  package static func write(_ text: String, patience: Int32 = finalPatience) -> Bool {
    write(Array(text.utf8), patience: patience)
  }

  static func write(_ bytes: [UInt8], patience: Int32) -> Bool {
    let deadline = MonotonicClock.now() &+ Int64(patience) &* 1_000_000
    let stream = SharedOutput(STDERR_FILENO)
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = stream.write(rest)
      let reason = count == -1 ? errno : EAGAIN
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if reason != EINTR {
        let left = (deadline &- MonotonicClock.now()) / 1_000_000
        guard reason == EAGAIN, left > 0 else { return false }
        stream.waitForRoom(milliseconds: Int32(clamping: left))
      }
    }
    return true
  }
}
