import CKVM
import Glibc

extension EventLoop {
  /// The epoll instance, and the translation of its bits.
  final class Poller {
    /// Marks the event of the loop's own wake-up descriptor; no token has it.
    static let wakeData = UInt64.max

    private static let capacity = 64
    private let descriptor: FileDescriptor
    private let events: UnsafeMutablePointer<epoll_event>

    init() throws(SystemError) {
      descriptor = FileDescriptor(
        owning: try systemCall("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
      events = .allocate(capacity: Poller.capacity)
    }

    deinit { events.deallocate() }

    func add(_ watched: Int32, interest: Interest, data: UInt64) throws(SystemError) {
      try control(EPOLL_CTL_ADD, watched, interest: interest, data: data)
    }

    func modify(_ watched: Int32, interest: Interest, data: UInt64) throws(SystemError) {
      try control(EPOLL_CTL_MOD, watched, interest: interest, data: data)
    }

    /// Failure means that the descriptor was closed before, by mistake, and has left the set by itself.
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

    /// The readiness of an event, restricted to the handler's interest, which may have changed since
    /// the kernel reported it.
    static func readiness(_ mask: UInt32, interest: Interest) -> Readiness {
      guard !interest.isEmpty else { return [] }
      var readiness: Readiness = []
      func has(_ event: EPOLL_EVENTS) -> Bool { mask & event.rawValue != 0 }
      if interest.contains(.readable), has(EPOLLIN) || has(EPOLLRDHUP) {
        readiness.insert(.readable)
      }
      if interest.contains(.writable), has(EPOLLOUT) { readiness.insert(.writable) }
      if has(EPOLLHUP) || interest.contains(.endOfInput) && has(EPOLLRDHUP) {
        readiness.insert(.hangup)
      }
      if has(EPOLLERR) { readiness.insert(.error) }
      return readiness
    }
  }
}
