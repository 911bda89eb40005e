import Glibc

/// Has work now and then that a look at memory shows sooner than an event tells of it: a ring shared
/// with a guest, where the guest need not notify (and leave its processor for it) while we look.
///
/// Every call is made on the loop's thread.
package protocol Pollable: AnyObject {
  /// Whether there is anything to look at.
  var isWatching: Bool { get }
  /// Set while the loop stays awake between turns: what runs empty may be watched instead of
  /// asking for an event. Otherwise `isWatching` must stay false.
  var mayWatch: Bool { get set }
  /// Does what there is to do, boundedly; returns whether there was anything.
  func look() -> Bool
  /// The loop is about to sleep: asks for events again, and watches nothing from now on. Returns
  /// whether there was something to do meanwhile.
  func stopPolling() -> Bool
}

extension EventLoop {
  /// How long a loop that has just been busy stays awake to look for more, at most. About what it
  /// costs to fall asleep and be woken.
  private static let watchNanoseconds: Int64 = 5_000

  /// Who is asked before the loop sleeps, and whether staying awake for a moment pays.
  ///
  /// It does after a sleep that was so short that it would have ended within that moment or soon
  /// after. A longer one ends it: an idle loop never looks, nor one that has something to do every
  /// now and then, and each burst of work costs one moment at its end.
  ///
  /// Nor does it pay where others want the processor: whoever looks uses up the time that a sleeper
  /// would have been woken for at once, and comes last. Then it rests.
  package struct BusyPolling {
    private static let shortSleepNanoseconds: Int64 = 50_000
    /// Who gets the processor back later than that has given it to somebody else's work.
    private static let shortYieldNanoseconds: Int64 = 1_000_000
    private static let restNanoseconds: Int64 = 100_000_000

    private(set) var pollables: [any Pollable] = []
    private(set) var isKept = false
    private var restEnd: Int64 = .min

    package init() {}

    var isEmpty: Bool { pollables.isEmpty }

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

    /// The processor, offered to whoever wants it, has come back after so long, now; says whether the
    /// watch goes on.
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

  /// Asks `pollable` before the loop sleeps, from now on.
  package func add(_ pollable: any Pollable) { busyPolling.add(pollable) }

  /// Asks it no more.
  package func remove(_ pollable: any Pollable) { busyPolling.remove(pollable) }

  /// Before sleeping: looks for a moment whether there is more to do, giving the processor to who
  /// wants it meanwhile; if there is not, has the pollables ask for events. Returns whether there was
  /// something, so that the loop must not sleep.
  func keepWatch() -> Bool {
    guard busyPolling.pollables.contains(where: { $0.isWatching }) else { return false }
    let end = MonotonicClock.now() &+ Self.watchNanoseconds
    var now: Int64
    repeat {
      let hasFound = look()
      // Whoever has just been given something may answer within this moment.
      let start = MonotonicClock.now()
      sched_yield()
      now = MonotonicClock.now()
      guard busyPolling.yielded(now &- start, until: now) else {
        busyPolling.keep(false)
        return stopPolling() || hasFound
      }
      let hasEvents = wait(timeoutMilliseconds: 0)
      if hasFound || hasEvents || hasWork { return true }
    } while now < end
    return stopPolling()
  }

  private func stopPolling() -> Bool {
    busyPolling.pollables.reduce(false) { $1.stopPolling() || $0 } || hasWork
  }

  /// Has everything that is watched looked at; returns whether there was something to do.
  @discardableResult
  func look() -> Bool {
    clock.restart()
    return busyPolling.pollables.reduce(false) { $1.look() || $0 }
  }
}
