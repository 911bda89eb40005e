import CKVM
import Glibc
import Host

/// Non-blocking use of a descriptor that other programs share, such as standard output.
///
/// `O_NONBLOCK` belongs to the open file, not to the descriptor, so setting it on a terminal would
/// set it for the shell as well. Hence the file is opened anew. Where that cannot be done (sockets,
/// other users' terminals) a readiness check and small transfers come close to never blocking.
struct SharedDescriptor: ~Copyable {
  /// What a transfer may move where blocking cannot be excluded otherwise: no more than a terminal
  /// or pipe that is ready for writing has room for.
  private static let cautiousByteCount = 256

  private let descriptor: FileDescriptor
  private let mustCheck: Bool

  /// - Parameters:
  ///   - shared: stays the caller's; it may be closed afterwards.
  ///   - access: `O_RDONLY` or `O_WRONLY`.
  init(_ shared: Int32, access: Int32) throws(SystemError) {
    var status = stat()
    try systemCall("fstat") { fstat(shared, &status) }
    let reopened =
      SharedDescriptor.isReopenable(shared, status)
      ? open("/proc/self/fd/\(shared)", access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1
    let number = try reopened != -1 ? reopened : SharedDescriptor.duplicate(shared)
    descriptor = FileDescriptor(owning: number)
    mustCheck = reopened == -1 && status.st_mode & S_IFMT != S_IFREG
  }

  /// Takes over a descriptor of its own, in non-blocking mode.
  init(owning descriptor: consuming FileDescriptor) {
    self.descriptor = descriptor
    mustCheck = false
  }

  var rawValue: Int32 { descriptor.rawValue }

  func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferOutcome {
    transfer(segments, event: POLLOUT, call: writev)
  }

  func read(into segments: UnsafeBufferPointer<iovec>) -> TransferOutcome {
    let outcome = transfer(segments, event: POLLIN, call: readv)
    guard outcome == .transferred(0) else { return outcome }
    return segments.contains { $0.iov_len > 0 } ? .endOfFile : .wouldBlock
  }

  private func transfer(
    _ segments: UnsafeBufferPointer<iovec>, event: Int32,
    call: (Int32, UnsafePointer<iovec>?, Int32) -> Int
  ) -> TransferOutcome {
    let segmentCount = min(segments.count, SocketConnection.maximumSegmentCount)
    while true {
      let count: Int
      if mustCheck {
        guard var first = segments.first(where: { $0.iov_len > 0 }) else { return .transferred(0) }
        first.iov_len = min(first.iov_len, SharedDescriptor.cautiousByteCount)
        guard isReady(for: event) else { return .wouldBlock }
        count = call(rawValue, &first, 1)
      } else {
        count = call(rawValue, segments.baseAddress, Int32(segmentCount))
      }
      if count >= 0 { return .transferred(count) }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .wouldBlock
      default: return .failed(errno)
      }
    }
  }

  /// Pipes and terminals. Opening another device again may make a new one of its kind, and does for
  /// the controlling side of a pseudo-terminal; a regular file would get a position of its own, and
  /// never blocks for long.
  private static func isReopenable(_ shared: Int32, _ status: stat) -> Bool {
    let multiplexer = dev_t(5 << 8 | 2)
    if status.st_mode & S_IFMT == S_IFIFO { return true }
    return isatty(shared) == 1 && status.st_rdev != multiplexer
  }

  private static func duplicate(_ shared: Int32) throws(SystemError) -> Int32 {
    try systemCall("fcntl") { fcntl(shared, F_DUPFD_CLOEXEC, 0) }
  }

  private func isReady(for event: Int32) -> Bool {
    var status = pollfd(fd: rawValue, events: Int16(event), revents: 0)
    return poll(&status, 1, 0) == 1
  }
}
