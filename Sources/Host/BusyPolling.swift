import CKVM

/// How a ring is watched once it is empty.
package enum RingWatch: Sendable {
  /// The next entry raises an event.
  case everyEntry
  /// The loop looks at the ring, and an entry need not raise an event: it stays awake between turns.
  case polling
  /// Entries may wait a moment, so that one event tells of several: other threads want the processor.
  case severalEntries
}

/// Has work that a look at memory finds sooner than an event reports it: a ring shared with a guest.
/// While the loop looks, the guest need not notify, which costs it an exit.
///
/// Every call is made on the loop's thread.
package protocol Pollable: AnyObject {
  /// Whether there is a ring to look at.
  var isWatching: Bool { get }
  /// How it is to watch its rings; `isWatching` is false unless by polling.
  var ringWatch: RingWatch { get set }
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
    private var ringWatch: RingWatch
    private var restEnd: Int64

    /// Nothing to poll.
    ///
    /// - Parameter processorCount: how many processors the loop's thread and those of the guest share.
    package init(processorCount: Int = Int(clinux_usable_processors())) {
      restEnd = processorCount == 1 ? .max : .min
      ringWatch = processorCount == 1 ? .severalEntries : .everyEntry
    }

    var isEmpty: Bool { pollables.isEmpty }

    /// Polls it, too.
    package mutating func add(_ pollable: any Pollable) {
      pollable.ringWatch = ringWatch
      pollables.append(pollable)
    }

    mutating func remove(_ pollable: any Pollable) {
      pollable.ringWatch = .everyEntry
      pollables.removeAll { $0 === pollable }
    }

    /// The loop has slept for so long, until now.
    package mutating func slept(_ nanoseconds: Int64, until now: Int64) {
      let isShort = nanoseconds < Self.shortSleepNanoseconds
      set(now < restEnd ? .severalEntries : isShort ? .polling : .everyEntry)
    }

    /// The processor, yielded to other threads, has come back after so long, now; returns whether
    /// polling goes on.
    package mutating func yielded(_ nanoseconds: Int64, until now: Int64) -> Bool {
      if nanoseconds > Self.shortYieldNanoseconds {
        restEnd = max(restEnd, now &+ Self.restNanoseconds)
      }
      guard now < restEnd else { return true }
      set(.severalEntries)
      return false
    }

    private mutating func set(_ ringWatch: RingWatch) {
      guard ringWatch != self.ringWatch else { return }
      self.ringWatch = ringWatch
      for pollable in pollables { pollable.ringWatch = ringWatch }
    }
  }
}
