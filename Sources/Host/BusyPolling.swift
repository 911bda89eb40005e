/// Has work that a look at memory finds sooner than an event reports it: a ring shared with a guest.
/// While the loop looks, the guest need not notify, which costs it an exit.
///
/// Every call is made on the loop's thread.
package protocol Pollable: AnyObject {
  /// Whether there is a ring to look at.
  var isWatching: Bool { get }
  /// Set while the loop stays awake between turns: an empty ring may be watched instead of asking for
  /// an event. Otherwise `isWatching` must stay false.
  var mayWatch: Bool { get set }
  /// Does a bounded part of the work; returns whether there was any.
  func look() -> Bool
  /// The loop is about to sleep: asks for events again, and watches nothing from now on. Returns
  /// whether work has arrived before that.
  func stopPolling() -> Bool
}

extension EventLoop {
  /// The pollables, and whether it pays to stay awake for a moment before the loop sleeps.
  ///
  /// It pays after a short sleep. A longer one ends it: a loop that is idle, or works only now and
  /// then, never polls, and each burst of work costs one moment at its end.
  ///
  /// It does not pay while other threads want the processor: polling uses up the loop's time slice,
  /// and a sleeper would be woken at once. Then the loop does not poll for a while.
  package struct BusyPolling {
    /// How long a loop that has just been busy polls, at most. About what it costs to fall asleep and be
    /// woken.
    static let watchNanoseconds: Int64 = 5_000
    private static let shortSleepNanoseconds: Int64 = 50_000
    /// A longer yield has given the processor to another thread's work.
    private static let shortYieldNanoseconds: Int64 = 1_000_000
    private static let restNanoseconds: Int64 = 100_000_000

    private(set) var pollables: [any Pollable] = []
    private(set) var isKept = false
    private var restEnd: Int64 = .min

    /// Nothing to poll.
    package init() {}

    var isEmpty: Bool { pollables.isEmpty }

    /// Polls it, too.
    package mutating func add(_ pollable: any Pollable) {
      pollable.mayWatch = isKept
      pollables.append(pollable)
    }

    mutating func remove(_ pollable: any Pollable) {
      pollable.mayWatch = false
      pollables.removeAll { $0 === pollable }
    }

    /// The loop has slept for so long, until now.
    package mutating func slept(_ nanoseconds: Int64, until now: Int64) {
      keep(nanoseconds < Self.shortSleepNanoseconds && now >= restEnd)
    }

    /// The processor, yielded to other threads, has come back after so long, now; returns whether
    /// polling goes on.
    package mutating func yielded(_ nanoseconds: Int64, until now: Int64) -> Bool {
      if nanoseconds > Self.shortYieldNanoseconds { restEnd = now &+ Self.restNanoseconds }
      return now >= restEnd
    }

    mutating func keep(_ isWanted: Bool) {
      guard isWanted != isKept else { return }
      isKept = isWanted
      for pollable in pollables { pollable.mayWatch = isWanted }
    }
  }
}
