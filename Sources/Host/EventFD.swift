import CKVM
import Glibc

/// A counter that wakes whoever waits for it, see `eventfd(2)`. Non-blocking, closed on exec.
///
/// Callable on any thread.
package final class EventFD: Sendable {
  private let descriptor: FileDescriptor

  package init() throws(SystemError) {
    descriptor = FileDescriptor(
      owning: try systemCall("eventfd") { eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC)) })
  }

  /// The number, for `epoll`, `KVM_IRQFD` and `KVM_IOEVENTFD`; valid while this object lives.
  package var rawValue: Int32 { descriptor.rawValue }

  /// Adds one to the counter. A counter that is full wakes its reader just as well.
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
