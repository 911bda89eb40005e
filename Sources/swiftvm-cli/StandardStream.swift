import Glibc

/// Standard output or standard error, unbuffered.
enum StandardStream: Int32 {
  case output = 1
  case error = 2

  /// Writes all of the text. An error of the stream ends it, and is told on standard error where
  /// that is not the stream itself.
  ///
  /// - Returns: whether everything was written.
  @discardableResult
  func write(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes {
        Glibc.write(rawValue, $0.baseAddress, $0.count)
      }
      if count > 0 {
        written += count
      } else if errno != EINTR {
        if self != .error {
          let reason = String(cString: strerror(errno))
          StandardStream.error.write("swiftvm: standard output: \(reason)\n")
        }
        return false
      }
    }
    return true
  }
}
