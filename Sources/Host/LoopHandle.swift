import CKVM
import Glibc
import Synchronization

/// The way into a loop from any thread.
///
/// Many posts before the loop looks cost one wake-up together.
package final class LoopHandle: Sendable {
  /// Work on its way to the loop's thread; only there it is called and released.
  private struct Work: @unchecked Sendable {
    let body: () -> Void
  }

  private struct Inbox {
    var work: [Work] = []
    var isStopRequested = false
    var isWoken = false
  }

  /// The loop's clock; to be used on the loop's thread.
  package let clock = EventLoop.TurnClock()

  private let inbox = Mutex(Inbox())
  private let timers: EventLoop.TimerQueue
  private let wake: EventFD
  /// The thread that runs the loop; 0 until it is known.
  private let owner = Atomic<UInt>(0)
  private let hasOwn = Atomic<Bool>(false)

  init(wake: EventFD, timers: EventLoop.TimerQueue) {
    self.wake = wake
    self.timers = timers
  }

  var wakeDescriptor: Int32 { wake.rawValue }

  /// The calling thread runs the loop from now on. Its own posts cost no wake-up: the loop checks for
  /// them before it sleeps.
  func claim() { owner.store(UInt(pthread_self()), ordering: .relaxed) }

  /// Whether the loop's own thread has posted something.
  var hasOwnPosts: Bool { hasOwn.load(ordering: .relaxed) }

  /// Runs `work` on the loop's thread, in the order of posting.
  package func post(_ work: sending @escaping () -> Void) {
    let work = Work(body: work)
    if owner.load(ordering: .relaxed) == UInt(pthread_self()) {
      inbox.withLock { $0.work.append(work) }
      hasOwn.store(true, ordering: .relaxed)
    } else {
      deliver { $0.work.append(work) }
    }
  }

  /// Runs `work` on the loop's thread, `milliseconds` from now or a little later.
  package func post(
    afterMilliseconds milliseconds: Int, _ work: sending @escaping () -> Void
  ) {
    let work = Work(body: work)
    post { [timers] in _ = timers.schedule(milliseconds: milliseconds, work.body) }
  }

  /// Ends the loop's `run`, after all that was posted before.
  package func stop() {
    deliver { $0.isStopRequested = true }
  }

  private func deliver(_ change: (inout Inbox) -> Void) {
    let mustWake = inbox.withLock { inbox in
      change(&inbox)
      defer { inbox.isWoken = true }
      return !inbox.isWoken
    }
    if mustWake { wake.signal() }
  }

  /// After a wake-up: clears it, and runs the posted work; see `runPosted`.
  func runWoken() -> Bool {
    wake.drain()
    return runPosted()
  }

  /// Runs the posted work, on the loop's thread, while there is time; returns whether the loop shall
  /// stop. The rest is first the next time.
  func runPosted() -> Bool {
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

/// Work that is due on the loop's next turn, once, however often it is asked for until then.
///
/// What must not be done inside a call is done this way: a chardev, for example, calls its delegate
/// only from the event loop. Belongs to its loop's thread.
package final class Deferred {
  private let work: () -> Void
  private var isPosted = false

  /// - Parameter work: is to hold its owner weakly, and to look whether it is still wanted: the owner
  ///   may have stopped by then.
  package init(_ work: @escaping () -> Void) { self.work = work }

  /// Has the work done on the next turn of a loop. Without a loop nothing happens: the owner has not
  /// started, or has stopped.
  package func post(on loop: EventLoop?) {
    guard let loop, !isPosted else { return }
    isPosted = true
    loop.post {
      self.isPosted = false
      self.work()
    }
  }
}
