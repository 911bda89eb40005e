import CKVM
import Glibc
import Host

/// One connected stream socket: transfers that never block and never raise `SIGPIPE`.
///
/// The descriptor must be in non-blocking mode. Descriptors that a peer passes along (SCM_RIGHTS)
/// are dropped by the kernel, since none is asked for.
struct StreamConnection: ~Copyable {
  /// The outcome of one transfer, with the two directions' ends kept apart.
  enum Outcome: Equatable {
    case transferred(Int)
    case wouldBlock
    /// The peer writes no more.
    case endOfFile
    /// The call failed for good, with this errno.
    case failed(Int32)
  }

  /// As many segments as one call takes (`IOV_MAX`); the rest is the next call's.
  static let maximumSegmentCount = 1024

  let descriptor: FileDescriptor

  /// Writes what the socket's buffer takes now.
  func write(_ segments: UnsafeBufferPointer<iovec>) -> Outcome {
    var message = msghdr()
    message.msg_iov = UnsafeMutablePointer(mutating: segments.baseAddress)
    message.msg_iovlen = min(segments.count, StreamConnection.maximumSegmentCount)
    while true {
      let count = sendmsg(descriptor.rawValue, &message, Int32(MSG_NOSIGNAL))
      if count >= 0 { return .transferred(count) }
      if let outcome = StreamConnection.failure(errno) { return outcome }
    }
  }

  /// Reads what has arrived.
  func read(into segments: UnsafeBufferPointer<iovec>) -> Outcome {
    let segmentCount = min(segments.count, StreamConnection.maximumSegmentCount)
    while true {
      let count = readv(descriptor.rawValue, segments.baseAddress, Int32(segmentCount))
      if count > 0 { return .transferred(count) }
      if count == 0 {
        // Reading into no room looks just like the end.
        let hadRoom = segments.prefix(segmentCount).contains { $0.iov_len > 0 }
        return hadRoom ? .endOfFile : .wouldBlock
      }
      if let outcome = StreamConnection.failure(errno) { return outcome }
    }
  }

  /// Writes no more: the peer reads the end of file after what was written.
  func endOutput() {
    _ = shutdown(descriptor.rawValue, Int32(SHUT_WR))
  }

  /// Whether a read would bring bytes now. Looks at the first one: `SIOCINQ` also counts urgent
  /// data, which no read ever brings.
  var hasUnreadBytes: Bool {
    var byte: UInt8 = 0
    while true {
      let count = recv(descriptor.rawValue, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
      if count != -1 || errno != EINTR { return count > 0 }
    }
  }

  /// Whether the peer has closed both directions by now, or an error is pending.
  var isHungUp: Bool {
    var status = pollfd(fd: descriptor.rawValue, events: 0, revents: 0)
    return poll(&status, 1, 0) == 1
  }

  /// What a failed call means; nil if it is to be repeated.
  private static func failure(_ reason: Int32) -> Outcome? {
    switch reason {
    case EINTR: nil
    case EAGAIN: .wouldBlock
    default: .failed(reason)
    }
  }
}
