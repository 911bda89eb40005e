import CKVM
import Glibc

/// The owner of one open file descriptor, which it closes when it is released.
package struct FileDescriptor: ~Copyable, Sendable {
  /// The number, for system calls; valid while the owner lives.
  package let rawValue: Int32

  /// Takes over an open descriptor; other code must not close it from now on.
  package init(owning rawValue: Int32) {
    self.rawValue = rawValue
  }

  deinit {
    // Not repeated on EINTR: Linux has released the number before (close(2), NOTES).
    close(rawValue)
  }

  /// Gives up ownership: the caller closes the descriptor.
  package consuming func release() -> Int32 {
    let number = rawValue
    discard self
    return number
  }
}

/// A counter whose descriptor is readable while it is not zero, see `eventfd(2)`. Non-blocking, closed
/// on exec.
///
/// Callable on any thread.
package final class EventFD: Sendable {
  private let descriptor: FileDescriptor

  /// A counter of zero.
  package init() throws(SystemError) {
    descriptor = FileDescriptor(
      owning: try systemCall("eventfd") { eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC)) })
  }

  /// The number, for `epoll`, `KVM_IRQFD` and `KVM_IOEVENTFD`; valid while this object lives.
  package var rawValue: Int32 { descriptor.rawValue }

  /// Adds one to the counter. A full counter stays, which wakes its reader as well.
  package func signal() {
    var one: UInt64 = 1
    while write(rawValue, &one, 8) == -1, errno == EINTR {}
  }

  /// Takes the count, leaving zero.
  @discardableResult
  package func drain() -> UInt64 {
    var count: UInt64 = 0
    while read(rawValue, &count, 8) == -1 {
      if errno != EINTR { return 0 }
    }
    return count
  }
}

/// How many descriptors this process may have open at once (`RLIMIT_NOFILE`).
package enum DescriptorLimit {
  /// Raises the limit, if it is lower than `count`, as far as this process may.
  ///
  /// - Returns: how many may be open now.
  package static func raise(toFit count: UInt64) -> UInt64 {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return count }
    let current = UInt64(limit.rlim_cur)
    guard current < count, limit.rlim_cur < limit.rlim_max else { return current }
    limit.rlim_cur = limit.rlim_max
    guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return current
    }
    return UInt64(limit.rlim_max)
  }
}
