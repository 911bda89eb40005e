import Glibc
import Host

/// Standard output, unbuffered.
enum StandardOutput {
  /// Writes all of the text, however long the reader takes. An error of the stream ends it, and is
  /// told on standard error.
  ///
  /// - Returns: whether everything was written.
  static func write(_ text: String) -> Bool {
    if write(Array(text.utf8)[...]) { return true }
    StandardError.write("swiftvm: \(SystemError.current("standard output"))\n")
    return false
  }

  /// Writes all of the bytes, however long the reader takes.
  ///
  /// - Returns: whether everything was written; else `errno` tells why not.
  static func write(_ bytes: ArraySlice<UInt8>) -> Bool {
    var rest = bytes
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        // Another program that has the stream may have set it so.
        var status = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        poll(&status, 1, -1)
      } else if errno != EINTR {
        return false
      }
    }
    return true
  }
}
