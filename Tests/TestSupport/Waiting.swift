import Glibc

/// Seconds of the monotonic clock.
package func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Whole milliseconds of the monotonic clock.
package func milliseconds() -> Int { Int(monotonicSeconds() * 1000) }

/// Waits until something outside this process is the case, looking again every few milliseconds;
/// returns whether it came to be.
package func waitUntil(
  seconds: Double = 20, _ condition: () throws -> Bool
) rethrows -> Bool {
  let deadline = monotonicSeconds() + seconds
  while try !condition() {
    guard monotonicSeconds() < deadline else { return false }
    usleep(3000)
  }
  return true
}
