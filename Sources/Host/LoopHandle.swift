import CKVM
import Glibc
import Synchronization

/// The way into a loop from any thread.
///
/// Many posts before the loop looks cost one wake-up together.
package final class LoopHandle: Sendable {
  /// Work on its way to the loop's thread, where alone it is called and released.
  private struct Work: @unchecked Sendable {
    let body: () -> Void
  }

  private struct Inbox {
    var work: [Work] = []
    var isStopRequested = false
    var isWoken = false
  }

  /// The loop's, for work that has arrived on its thread.
  private struct Timers: @unchecked Sendable {
    let queue: EventLoop.TimerQueue
  }

  /// The loop's, for those who have no more of it than this; on the loop's thread.
  package let clock = EventLoop.TurnClock()

  private let inbox = Mutex(Inbox())
  private let timers: Timers
  private let wake: EventFD
  /// The thread that runs the loop, as far as is known.
  private let owner = Atomic<UInt>(0)
  private let hasOwn = Atomic<Bool>(false)

  init(wake: EventFD, timers: EventLoop.TimerQueue) {
    self.wake = wake
    self.timers = Timers(queue: timers)
  }

  var wakeDescriptor: Int32 { wake.rawValue }

  /// The calling thread runs the loop from now on: what it posts itself costs no wake-up, since the
  /// loop looks for that before it sleeps.
  func claim() { owner.store(UInt(pthread_self()), ordering: .relaxed) }

  /// Whether the loop's own thread has posted something.
  var hasOwnPosts: Bool { hasOwn.load(ordering: .relaxed) }

  /// Runs `work` on the loop's thread, in the order of posting.
  package func post(_ work: sending @escaping () -> Void) {
    let work = Work(body: work)
    let isOwn = owner.load(ordering: .relaxed) == UInt(pthread_self())
    let mustWake = inbox.withLock { inbox in
      inbox.work.append(work)
      if isOwn { return false }
      defer { inbox.isWoken = true }
      return !inbox.isWoken
    }
    if isOwn { hasOwn.store(true, ordering: .relaxed) }
    if mustWake { wake.signal() }
  }

  /// Runs `work` on the loop's thread, `milliseconds` from now or a little later.
  package func post(
    afterMilliseconds milliseconds: Int, _ work: sending @escaping () -> Void
  ) {
    let work = Work(body: work)
    post { [timers] in _ = timers.queue.schedule(milliseconds: milliseconds, work.body) }
  }

  /// Ends the loop's `run`, after all that was posted before.
  package func stop() {
    let mustWake = inbox.withLock { inbox in
      inbox.isStopRequested = true
      defer { inbox.isWoken = true }
      return !inbox.isWoken
    }
    if mustWake { wake.signal() }
  }

  /// Takes the wake-up back, and runs what has arrived; see `deliverArrived`.
  func deliverWoken() -> Bool {
    wake.drain()
    return deliverArrived()
  }

  /// Runs what has arrived, on the loop's thread, as far as there is time; says whether the loop
  /// shall stop. The rest comes first the next time.
  func deliverArrived() -> Bool {
    hasOwn.store(false, ordering: .relaxed)
    let arrived = inbox.withLock { inbox in
      let arrived = inbox
      inbox = Inbox()
      return arrived
    }
    var done = 0
    while done < arrived.work.count, done == 0 || clock.hasTime() {
      arrived.work[done].body()
      done += 1
    }
    guard done < arrived.work.count else { return arrived.isStopRequested }
    inbox.withLock { inbox in
      inbox.work.insert(contentsOf: arrived.work[done...], at: 0)
      inbox.isStopRequested = inbox.isStopRequested || arrived.isStopRequested
    }
    hasOwn.store(true, ordering: .relaxed)
    return false
  }
}
