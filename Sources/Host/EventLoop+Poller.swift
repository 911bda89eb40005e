import CKVM
import Glibc

extension EventLoop {
  /// The epoll instance, and the translation of its bits.
  final class Poller {
    /// Marks the event of the loop's own wake-up descriptor; no token packs to it.
    static let wakeData = UInt64.max

    private static let capacity = 64
    private let descriptor: FileDescriptor
    private let events: UnsafeMutablePointer<epoll_event>

    init() throws(SystemError) {
      descriptor = FileDescriptor(
        owning: try systemCall("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
      events = .allocate(capacity: Poller.capacity)
    }

    deinit {
      events.deallocate()
    }

    func add(_ watched: Int32, interest: Interest, data: UInt64) throws(SystemError) {
      try control(EPOLL_CTL_ADD, watched, interest: interest, data: data)
    }

    func modify(_ watched: Int32, interest: Interest, data: UInt64) throws(SystemError) {
      try control(EPOLL_CTL_MOD, watched, interest: interest, data: data)
    }

    /// A descriptor closed by mistake before has left the set by itself, so failure means nothing.
    func remove(_ watched: Int32) {
      var unused = epoll_event()
      _ = epoll_ctl(descriptor.rawValue, EPOLL_CTL_DEL, watched, &unused)
    }

    func wait(timeoutMilliseconds: Int32, _ body: (epoll_event) -> Void) {
      let count = epoll_wait(
        descriptor.rawValue, events, Int32(Poller.capacity), timeoutMilliseconds)
      guard count > 0 else { return }
      for index in 0..<Int(count) { body(events[index]) }
    }

    private func control(
      _ operation: Int32, _ watched: Int32, interest: Interest, data: UInt64
    ) throws(SystemError) {
      var event = epoll_event()
      event.events = Poller.mask(interest)
      event.data.u64 = data
      try systemCall("epoll_ctl") { epoll_ctl(descriptor.rawValue, operation, watched, &event) }
    }

    private static func mask(_ interest: Interest) -> UInt32 {
      var mask: UInt32 = 0
      if interest.contains(.readable) { mask |= EPOLLIN.rawValue | EPOLLRDHUP.rawValue }
      if interest.contains(.writable) { mask |= EPOLLOUT.rawValue }
      if interest.contains(.endOfInput) { mask |= EPOLLRDHUP.rawValue }
      return mask
    }

    /// What of an event still concerns a handler whose interest may have changed since the kernel
    /// reported it.
    static func readiness(_ mask: UInt32, interest: Interest) -> Readiness {
      guard !interest.isEmpty else { return [] }
      var readiness: Readiness = []
      if interest.contains(.readable), mask & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue) != 0 {
        readiness.insert(.readable)
      }
      if interest.contains(.writable), mask & EPOLLOUT.rawValue != 0 {
        readiness.insert(.writable)
      }
      if mask & EPOLLHUP.rawValue != 0 { readiness.insert(.hangup) }
      if interest.contains(.endOfInput), mask & EPOLLRDHUP.rawValue != 0 {
        readiness.insert(.hangup)
      }
      if mask & EPOLLERR.rawValue != 0 { readiness.insert(.error) }
      return readiness
    }
  }
}
