import CKVM
import Glibc

extension EventLoop {
  /// One piece of work due at a time. Belongs to its loop's thread.
  package final class Timer {
    let deadline: Int64
    private var work: (() -> Void)?
    fileprivate weak var owner: TimerList?

    fileprivate init(deadline: Int64, owner: TimerList, _ work: @escaping () -> Void) {
      self.deadline = deadline
      self.owner = owner
      self.work = work
    }

    /// Whether the work is still to be done.
    package var isPending: Bool { work != nil }

    /// Takes the work back; without effect once it has begun.
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

  /// Shared by a queue and its timers, which take themselves out.
  fileprivate final class TimerList {
    /// By deadline, then in order of scheduling. Few at any time, so a sorted array does.
    var timers: [Timer] = []
  }

  /// The timers of a loop. Times are nanoseconds of `CLOCK_MONOTONIC`. Nothing here is `mutating`,
  /// since due work may schedule and cancel timers while `runExpired` is running it.
  struct TimerQueue {
    private let list = TimerList()

    func schedule(milliseconds: Int, _ work: @escaping () -> Void) -> Timer {
      let (delay, overflow) = Int64(max(0, milliseconds)).multipliedReportingOverflow(by: 1_000_000)
      // Half of all time to come is as good as never, and leaves room for sums.
      let deadline = MonotonicClock.now() &+ (overflow ? .max / 2 : min(delay, .max / 2))
      let timer = Timer(deadline: deadline, owner: list, work)
      let place = list.timers.lastIndex { $0.deadline <= deadline }.map { $0 + 1 } ?? 0
      list.timers.insert(timer, at: place)
      return timer
    }

    /// How long `epoll_wait` may sleep: until the first deadline, rounded up so that it has passed
    /// then, and no longer than `limit` milliseconds unless that is negative; -1 is for ever.
    func timeout(limit: Int) -> Int32 {
      let limit = limit < 0 ? Int64(Int32.max) : Int64(min(limit, Int(Int32.max)))
      guard let first = list.timers.first else {
        return limit == Int64(Int32.max) ? -1 : Int32(limit)
      }
      let nanoseconds = max(0, first.deadline &- MonotonicClock.now())
      return Int32(min(limit, (nanoseconds &+ 999_999) / 1_000_000))
    }

    /// Runs what is due now, but nothing that these runs schedule.
    func runExpired() {
      guard !list.timers.isEmpty else { return }
      let now = MonotonicClock.now()
      let due = list.timers.prefix { $0.deadline <= now }
      guard !due.isEmpty else { return }
      list.timers.removeFirst(due.count)
      for timer in due { timer.fire() }
    }
  }
}
