import CKVM
import Glibc
import Synchronization

extension EventLoop {
  /// The way into a loop from any thread.
  ///
  /// Many posts before the loop looks cost one wake-up together.
  package final class Remote: Sendable {
    /// Work on its way to the loop's thread, where alone it is called and released.
    private struct Work: @unchecked Sendable {
      let body: () -> Void
    }

    private struct Inbox {
      var work: [Work] = []
      var isStopRequested = false
      var isWoken = false
    }

    private let inbox = Mutex(Inbox())
    private let wake: EventFD

    init(wake: EventFD) {
      self.wake = wake
    }

    var wakeDescriptor: Int32 { wake.rawValue }

    /// Runs `work` on the loop's thread, in the order of posting.
    package func post(_ work: sending @escaping () -> Void) {
      let work = Work(body: work)
      let mustWake = inbox.withLock { inbox in
        inbox.work.append(work)
        defer { inbox.isWoken = true }
        return !inbox.isWoken
      }
      if mustWake { wake.signal() }
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

    /// Runs what has arrived, on the loop's thread; says whether the loop shall stop.
    func deliver() -> Bool {
      wake.drain()
      let arrived = inbox.withLock { inbox in
        let arrived = inbox
        inbox = Inbox()
        return arrived
      }
      for work in arrived.work { work.body() }
      return arrived.isStopRequested
    }
  }
}
