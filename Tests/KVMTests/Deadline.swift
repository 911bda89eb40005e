import Glibc

/// A moment after which a test gives up waiting.
struct Deadline {
  private let end: Double

  init(seconds: Double) { end = Self.now + seconds }

  /// Seconds of the monotonic clock.
  static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Waits until the descriptor is readable; false once the moment has passed.
  func wait(for descriptor: Int32) -> Bool {
    while true {
      let left = end - Self.now
      guard left > 0 else { return false }
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let result = poll(&waiting, 1, Int32(left * 1000) + 1)
      if result > 0 { return true }
      if result < 0, errno != EINTR { return false }
    }
  }
}
