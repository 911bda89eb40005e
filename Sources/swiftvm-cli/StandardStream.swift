import Glibc

/// Standard output or standard error, unbuffered.
enum StandardStream: Int32 {
  case output = 1
  case error = 2

  /// Writes all of the text; an error of the stream ends it.
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
        return false
      }
    }
    return true
  }
}
