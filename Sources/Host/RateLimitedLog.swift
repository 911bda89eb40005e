import CKVM
import Glibc
import Synchronization

/// Warnings of one place in the code that a guest or a client can cause at will: only so many lines
/// a second are printed; the rest is counted, and the count printed with the next line.
///
/// Callable on any thread.
package final class RateLimitedLog: Sendable {
  private struct State {
    var windowEnd: Int64 = .min
    var linesInWindow = 0
    var suppressedSinceLine: UInt64 = 0
    var suppressed: UInt64 = 0
  }

  private let linesPerSecond: Int
  private let now: @Sendable () -> Int64
  private let print: @Sendable (String) -> Void
  private let state = Mutex(State())

  /// - Parameters:
  ///   - linesPerSecond: how many lines any one second may bring.
  ///   - now: the time in nanoseconds, from any fixed point.
  ///   - print: where lines go.
  package init(
    linesPerSecond: Int = 3,
    now: @escaping @Sendable () -> Int64 = { MonotonicClock.now() },
    print: @escaping @Sendable (String) -> Void = { Log.warning($0) }
  ) {
    self.linesPerSecond = linesPerSecond
    self.now = now
    self.print = print
  }

  /// How many messages were not printed, ever.
  package var suppressed: UInt64 { state.withLock { $0.suppressed } }

  /// Prints the message, or counts it. It is not even built when it is not printed.
  package func warning(_ message: @autoclosure () -> String) {
    guard let missed = admit() else { return }
    print(missed == 0 ? message() : "\(message()) (\(missed) more of this kind were not printed)")
  }

  /// Whether a line may be printed now: nil if not, else how many were held back before it.
  private func admit() -> UInt64? {
    let now = now()
    return state.withLock { state in
      if now >= state.windowEnd {
        state.windowEnd = now &+ 1_000_000_000
        state.linesInWindow = 0
      }
      guard state.linesInWindow < linesPerSecond else {
        state.suppressed &+= 1
        state.suppressedSinceLine &+= 1
        return nil
      }
      state.linesInWindow += 1
      defer { state.suppressedSinceLine = 0 }
      return state.suppressedSinceLine
    }
  }
}
