import Synchronization

/// Messages for the user: one line each on standard error.
///
/// Callable on any thread. A message may quote what a guest or a client wrote: control characters
/// are escaped, so that it can neither start a line of its own nor command the terminal.
package enum Log {
  /// Something failed, for good.
  package static func error(_ message: String) {
    emit("swiftvm: \(message)", patience: StandardError.finalPatience)
  }

  /// Something is wrong, yet work goes on.
  package static func warning(_ message: String) {
    emit("swiftvm: warning: \(message)", patience: 0)
  }

  /// Something worth knowing.
  package static func note(_ message: String) {
    emit("swiftvm: \(message)", patience: 0)
  }

  /// A line of a table or a trace; returns whether standard error took it at once.
  package static func plain(_ line: String) -> Bool {
    emit(line, patience: 0)
  }

  /// Writes a line, or drops what is not read of it within `patience` milliseconds: a reader that
  /// stands still must not stop the machine.
  @discardableResult
  private static func emit(_ text: String, patience: Int32) -> Bool {
    StandardError.write(PlainText.escaped(text) + "\n", patience: patience)
  }
}

/// Warnings that a guest or a client can cause at will, of one place in the code: only so many lines a
/// second are printed. The rest is counted, and the count printed with the next line.
///
/// Callable on any thread.
package final class RateLimitedLog: Sendable {
  private struct State {
    var windowEnd: Int64 = .min
    var linesInWindow = 0
    var suppressed: UInt64 = 0
  }

  private let linesPerSecond: Int
  private let now: @Sendable () -> Int64
  private let print: @Sendable (String) -> Void
  private let state = Mutex(State())

  /// - Parameters:
  ///   - linesPerSecond: the most lines in one second.
  ///   - now: the time in nanoseconds, from any fixed point.
  ///   - print: prints a line.
  package init(
    linesPerSecond: Int = 3,
    now: @escaping @Sendable () -> Int64 = { MonotonicClock.now() },
    print: @escaping @Sendable (String) -> Void = { Log.warning($0) }
  ) {
    self.linesPerSecond = linesPerSecond
    self.now = now
    self.print = print
  }

  /// Prints the message, or counts it; a message that is not printed is not built.
  package func warning(_ message: @autoclosure () -> String) {
    guard let missed = admit() else { return }
    print(missed == 0 ? message() : "\(message()) (\(missed) more of this kind were not printed)")
  }

  /// Nil if no line may be printed now, else how many were held back before it.
  private func admit() -> UInt64? {
    let now = now()
    return state.withLock { state in
      if now >= state.windowEnd {
        state.windowEnd = now &+ 1_000_000_000
        state.linesInWindow = 0
      }
      guard state.linesInWindow < linesPerSecond else {
        state.suppressed &+= 1
        return nil
      }
      state.linesInWindow += 1
      defer { state.suppressed = 0 }
      return state.suppressed
    }
  }
}

/// Lines for diagnosis on standard error. A line that it does not take at once is dropped and counted;
/// the count is printed with the next line that it takes.
///
/// Callable on any thread; never waits for a reader.
package final class LossyLog: Sendable {
  private struct Dropped {
    var sinceLine: UInt64 = 0
    var total: UInt64 = 0
  }

  private let print: @Sendable (String) -> Bool
  private let dropped = Mutex(Dropped())

  /// - Parameter print: prints a line, or returns false if it cannot.
  package init(print: @escaping @Sendable (String) -> Bool = { Log.plain($0) }) {
    self.print = print
  }

  /// How many lines were dropped, ever.
  package var droppedLineCount: UInt64 { dropped.withLock { $0.total } }

  /// Prints a line, or drops it.
  package func line(_ text: String) {
    dropped.withLock { dropped in
      if dropped.sinceLine > 0, print("(\(dropped.sinceLine) lines were dropped here)") {
        dropped.sinceLine = 0
      }
      guard dropped.sinceLine > 0 || !print(text) else { return }
      dropped.sinceLine &+= 1
      dropped.total &+= 1
    }
  }
}
