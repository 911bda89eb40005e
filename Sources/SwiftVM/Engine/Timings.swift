import Host
import Synchronization

/// When a machine reached its milestones, for `--timings`. Callable on any thread.
package final class Timings: Sendable {
  private let start: Int64
  private let stamps = Mutex<[(name: String, nanoseconds: Int64)]>([])

  /// Milestones count from now.
  package init() { start = MonotonicClock.now() }

  /// A milestone is reached now; only the first time counts.
  package func mark(_ name: String) {
    let elapsed = MonotonicClock.now() &- start
    stamps.withLock { stamps in
      if !stamps.contains(where: { $0.name == name }) { stamps.append((name, elapsed)) }
    }
  }

  /// One line for each milestone: milliseconds since the start, and its name.
  package var lines: [String] {
    stamps.withLock { stamps in
      stamps.map { stamp in
        "timing: \(Milliseconds(nanoseconds: stamp.nanoseconds))  \(stamp.name)"
      }
    }
  }
}

/// A time as columns of text: milliseconds with three decimals.
package struct Milliseconds: CustomStringConvertible {
  private let nanoseconds: Int64

  package init(nanoseconds: Int64) { self.nanoseconds = max(0, nanoseconds) }

  package var description: String {
    let microseconds = nanoseconds / 1000
    let fraction = String(microseconds % 1000 + 1000).dropFirst()
    let text = "\(microseconds / 1000).\(fraction)"
    return String(repeating: " ", count: max(0, 12 - text.count)) + text + " ms"
  }
}
