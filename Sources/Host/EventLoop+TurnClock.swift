extension EventLoop {
  /// How long the loop has been at one kind of work without looking at the others.
  ///
  /// Work that a guest or a client can make long asks before each further call whether there is time
  /// for it, and leaves the rest for a later turn. Every piece of work may make one call without
  /// asking, so that each gets on. `@unchecked Sendable`: belongs to the loop's thread.
  package final class TurnClock: @unchecked Sendable {
    /// What a call counts for in a budget of bytes at least: it costs as much as copying so many.
    package static let leastCallBytes = 4 << 10
    /// Nanoseconds of the last work of a guest's life, all its devices together.
    package static let farewellNanoseconds: Int64 = 10_000_000

    /// Nanoseconds that a kind of work has in one turn.
    package var limit: Int64 = 1_000_000
    private var hasBeenAsked = false
    private var end: Int64?

    package init() {}

    /// Another kind of work begins, with so many nanoseconds; by default `limit`.
    package func restart(nanoseconds: Int64? = nil) {
      hasBeenAsked = nanoseconds != nil
      end = nanoseconds.map { MonotonicClock.now() &+ $0 }
    }

    /// Whether there is time for another call. The first question costs no look at a clock: most
    /// turns of the loop have one thing to do, and are over before a second one.
    package func hasTime() -> Bool {
      guard hasBeenAsked else {
        hasBeenAsked = true
        return true
      }
      let now = MonotonicClock.now()
      guard let end else {
        end = now &+ limit
        return true
      }
      return now < end
    }
  }
}
