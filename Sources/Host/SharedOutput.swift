import CKVM
import Glibc

/// Writing that never blocks, to a descriptor that other programs share: its mode is not this
/// program's to change, so the file is opened anew where that can be done.
///
/// That a pipe or terminal is ready for writing does not say that there is room for a whole line.
struct SharedOutput: ~Copyable {
  /// What may be written at a time.
  private enum Step {
    /// Anything: the file is open without blocking, or is one that never blocks for long.
    case all
    /// A socket's message has a flag for it.
    case message
    /// So many bytes after a look whether there is room.
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
    // The controlling side of a pseudo-terminal, opened anew, would be that of another one.
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
      // Where there is room for one character, there may be none for two.
      case _ where isTerminal: .piece(1)
      // A pipe that is ready has room for this many (pipe(7)).
      default: .piece(Int(PIPE_BUF))
      }
  }

  /// Writes what is taken at once, and returns how much that was; -1 with `errno` for a failure.
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

  /// Whether there is some room, or comes to be in time.
  @discardableResult
  func waitForRoom(milliseconds: Int32) -> Bool {
    var status = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
    return poll(&status, 1, milliseconds) == 1
  }
}
