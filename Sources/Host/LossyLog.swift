import Synchronization

/// Lines for diagnosis on standard error: what it does not take at once is dropped and counted, and
/// the count told with the next line that it takes.
///
/// Callable on any thread; never waits for whoever reads.
package final class LossyLog: Sendable {
  private struct Dropped {
    var sinceLine: UInt64 = 0
    var total: UInt64 = 0
  }

  private let print: @Sendable (String) -> Bool
  private let dropped = Mutex(Dropped())

  /// - Parameter print: prints a line, or says that it could not.
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
