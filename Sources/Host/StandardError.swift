import CKVM
import Glibc

/// Standard error, written to without waiting for its reader.
///
/// Callable on any thread.
package enum StandardError {
  /// How long an error and a program's last words may wait for a reader, in milliseconds.
  package static let finalPatience: Int32 = 1000

  /// Writes a text as it is, as far as it is taken in time; returns whether all of it was.
  ///
  /// - Parameter patience: how many milliseconds the whole may take; 0 does not wait.
  @discardableResult
  package static func write(_ text: String, patience: Int32 = finalPatience) -> Bool {
    let deadline = MonotonicClock.now() &+ Int64(patience) &* 1_000_000
    let stream = SharedOutput(STDERR_FILENO)
    var rest = Array(text.utf8)[...]
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

/// Writes that never block, to a descriptor that other programs share: this program must not change its
/// mode, so the file is opened anew if possible.
///
/// A pipe or terminal that is ready for writing may still lack room for a whole line.
private struct SharedOutput: ~Copyable {
  private let reopened: FileDescriptor?
  private let number: Int32
  /// How many bytes a write takes at least once there is room; without end if no write blocks for long.
  private let piece: Int

  /// - Parameter shared: open for writing; stays the caller's, and stays as it is.
  init(_ shared: Int32) {
    var status = stat()
    let kind = fstat(shared, &status) == 0 ? status.st_mode & S_IFMT : 0
    let isTerminal = kind == S_IFCHR && isatty(shared) == 1
    // Opening the controlling side of a pseudo-terminal anew makes another pseudo-terminal.
    let mayReopen = kind == S_IFIFO || isTerminal && status.st_rdev != dev_t(5 << 8 | 2)
    let flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
    let opened = mayReopen ? open("/proc/self/fd/\(shared)", flags) : -1
    number = opened == -1 ? shared : opened
    reopened = opened == -1 ? nil : FileDescriptor(owning: opened)
    let takesAll = opened != -1 || kind == S_IFREG || kind == S_IFCHR && !isTerminal
    // A terminal with room for one character may have none for two. A pipe: see pipe(7).
    piece = takesAll ? .max : isTerminal ? 1 : Int(PIPE_BUF)
  }

  /// Writes what is taken at once, and returns its length; -1 with `errno` for a failure.
  func write(_ bytes: ArraySlice<UInt8>) -> Int {
    bytes.withUnsafeBytes { bytes in
      if piece == .max { return Glibc.write(number, bytes.baseAddress, bytes.count) }
      let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
      let sent = send(number, bytes.baseAddress, bytes.count, flags)
      guard sent == -1, errno == ENOTSOCK else { return sent }
      guard waitForRoom(milliseconds: 0) else { return 0 }
      return Glibc.write(number, bytes.baseAddress, min(piece, bytes.count))
    }
  }

  /// Whether there is some room now or in time.
  @discardableResult
  func waitForRoom(milliseconds: Int32) -> Bool {
    var status = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
    return poll(&status, 1, milliseconds) == 1
  }
}
