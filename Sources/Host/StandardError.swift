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
  /// What may be written at a time.
  private enum Step {
    /// Anything: the file is open without blocking, or never blocks for long.
    case all
    /// Anything: a socket has a flag for it.
    case message
    /// So many bytes, if there is room.
    case piece(Int)
  }

  private let reopened: FileDescriptor?
  private let number: Int32
  private let step: Step

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
    step =
      switch kind {
      case _ where opened != -1: .all
      case S_IFREG: .all
      case S_IFSOCK: .message
      // A terminal with room for one character may have none for two.
      case _ where isTerminal: .piece(1)
      // A ready pipe has room for this many (pipe(7)).
      default: .piece(Int(PIPE_BUF))
      }
  }

  /// Writes what is taken at once, and returns its length; -1 with `errno` for a failure.
  func write(_ bytes: ArraySlice<UInt8>) -> Int {
    bytes.withUnsafeBytes { bytes in
      switch step {
      case .all: return Glibc.write(number, bytes.baseAddress, bytes.count)
      case .message:
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        return send(number, bytes.baseAddress, bytes.count, flags)
      case .piece(let size):
        guard waitForRoom(milliseconds: 0) else { return 0 }
        return Glibc.write(number, bytes.baseAddress, min(size, bytes.count))
      }
    }
  }

  /// Whether there is some room now or in time.
  @discardableResult
  func waitForRoom(milliseconds: Int32) -> Bool {
    var status = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
    return poll(&status, 1, milliseconds) == 1
  }
}
