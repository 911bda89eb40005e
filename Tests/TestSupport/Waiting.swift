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

/// A moment after which a test gives up waiting, far beyond what an emulated machine takes.
///
/// `SWIFTVM_TEST_PATIENCE` (default 1) multiplies every limit, for machines slower still.
package struct Deadline {
  private static let patience: Double = {
    guard let text = getenv("SWIFTVM_TEST_PATIENCE") else { return 1 }
    return max(Double(String(cString: text)) ?? 1, 1)
  }()

  private let end: Double
  private let limit: Double

  package init(seconds: Double) {
    limit = seconds * Self.patience
    end = monotonicSeconds() + limit
  }

  package var hasPassed: Bool { monotonicSeconds() >= end }

  /// 0 once it has passed. Without the patience that a limit made of it would be given again.
  package var secondsLeft: Double { max(end - monotonicSeconds(), 0) / Self.patience }

  /// The failure to report once it has passed.
  package func failure(_ what: String) -> Failure { Failure("\(what): not within \(Int(limit)) s") }

  /// poll(2) until one of the entries is ready.
  package func poll(_ entries: inout [pollfd], for what: String) throws {
    while true {
      guard !hasPassed else { throw failure(what) }
      let milliseconds = Int32((end - monotonicSeconds()) * 1000) + 1
      let count = Glibc.poll(&entries, nfds_t(entries.count), max(milliseconds, 1))
      if count > 0 { return }
      if count < 0, errno != EINTR { throw Failure(call: "poll") }
    }
  }

  /// Waits until the descriptor has one of the events (a hang-up always counts); returns what it has.
  @discardableResult
  package func wait(for descriptor: Int32, _ events: Int32, _ what: String) throws -> Int32 {
    var entries = [pollfd(fd: descriptor, events: Int16(events), revents: 0)]
    try poll(&entries, for: what)
    return Int32(entries[0].revents)
  }

  /// Waits until the descriptor is readable; false once the moment has passed.
  package func waitForInput(of descriptor: Int32) -> Bool {
    (try? wait(for: descriptor, POLLIN, "input")) != nil
  }

  /// Asks every few milliseconds, for what no descriptor tells.
  package func wait(until condition: () throws -> Bool, _ what: String) throws {
    while try !condition() {
      guard !hasPassed else { throw failure(what) }
      usleep(10_000)
    }
  }
}
