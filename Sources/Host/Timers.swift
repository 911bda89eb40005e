import CKVM
import Glibc

extension EventLoop {
  /// One piece of work due at a time. Belongs to its loop's thread.
  package final class Timer {
    fileprivate let deadline: Int64
    private var work: (() -> Void)?
    private weak var owner: TimerQueue?

    fileprivate init(deadline: Int64, owner: TimerQueue, _ work: @escaping () -> Void) {
      self.deadline = deadline
      self.owner = owner
      self.work = work
    }

    /// Whether the work is still to be done.
    package var isPending: Bool { work != nil }

    /// Cancels the work; without effect once it has begun.
    package func cancel() {
      work = nil
      owner?.timers.removeAll { $0 === self }
    }

    fileprivate func fire() {
      let due = work
      work = nil
      due?()
    }
  }

  /// The timers of a loop. Times are nanoseconds of `CLOCK_MONOTONIC`. Due work may schedule and cancel
  /// timers. `@unchecked Sendable`: belongs to the loop's thread.
  final class TimerQueue: @unchecked Sendable {
    /// By deadline, then in order of scheduling. There are few at any time.
    fileprivate var timers: [Timer] = []

    func schedule(milliseconds: Int, _ work: @escaping () -> Void) -> Timer {
      // The longest delay is as good as never, and leaves room for sums.
      let delay = Int64(min(max(0, milliseconds), 1 << 40)) &* 1_000_000
      let deadline = MonotonicClock.now() &+ delay
      let timer = Timer(deadline: deadline, owner: self, work)
      let place = timers.lastIndex { $0.deadline <= deadline }.map { $0 + 1 } ?? 0
      timers.insert(timer, at: place)
      return timer
    }

    /// How long `epoll_wait` may sleep: until the first deadline, rounded up so that it has passed
    /// then, and no longer than `limit` milliseconds unless that is negative; -1 is for ever.
    func timeout(limit: Int) -> Int32 {
      guard let first = timers.first else { return Int32(clamping: max(limit, -1)) }
      let left = Int((max(0, first.deadline &- MonotonicClock.now()) &+ 999_999) / 1_000_000)
      return Int32(clamping: limit < 0 ? left : min(limit, left))
    }

    /// Runs what is due now, but nothing that these runs schedule.
    func runExpired() {
      guard !timers.isEmpty else { return }
      let now = MonotonicClock.now()
      let due = timers.prefix { $0.deadline <= now }
      guard !due.isEmpty else { return }
      timers.removeFirst(due.count)
      for timer in due { timer.fire() }
    }
  }

  /// How long the loop has done one kind of work without checking the others.
  ///
  /// Work that a guest or a client can make long asks before each further call whether there is time
  /// for it, and leaves the rest for a later turn. Every piece of work may make one call without
  /// asking, so that each makes progress. `@unchecked Sendable`: belongs to the loop's thread.
  package final class TurnClock: @unchecked Sendable {
    /// The bytes that a call counts for in a budget, at least: it costs as much as copying so many.
    package static let leastCallBytes = 4 << 10
    /// Nanoseconds of the last work of a guest's life, all its devices together.
    package static let farewellNanoseconds: Int64 = 10_000_000

    /// Nanoseconds that a kind of work has in one turn.
    package var limit: Int64 = 1_000_000
    private var hasBeenAsked = false
    private var end: Int64?

    /// A clock for one loop.
    package init() {}

    /// Another kind of work begins, with so many nanoseconds; by default `limit`.
    package func restart(nanoseconds: Int64? = nil) {
      hasBeenAsked = nanoseconds != nil
      end = nanoseconds.map { MonotonicClock.now() &+ $0 }
    }

    /// Whether there is time for another call. The first question reads no clock: most turns of the loop
    /// have only one call to make.
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

/// The clock that only goes forward, for waits and durations. Callable on any thread.
package enum MonotonicClock {
  /// Nanoseconds of `CLOCK_MONOTONIC`, from some fixed point.
  package static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
