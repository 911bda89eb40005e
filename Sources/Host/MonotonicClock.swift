import Glibc

/// The clock that only goes forward, by which waits and durations are measured. Callable on any
/// thread.
package enum MonotonicClock {
  /// Nanoseconds of `CLOCK_MONOTONIC`, from some fixed point.
  package static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
