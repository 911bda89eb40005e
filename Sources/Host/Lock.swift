import Glibc

/// State guarded by a lock, and threads that sleep until it is as they want it. Callable on any
/// thread.
///
/// `@unchecked Sendable`: the state is touched with the lock held only.
package final class Lock<State: ~Copyable>: @unchecked Sendable {
  private var state: State
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  package init(_ state: consuming State) {
    self.state = state
    pthread_mutex_init(lock, nil)
    pthread_cond_init(change, nil)
  }

  deinit {
    pthread_cond_destroy(change)
    pthread_mutex_destroy(lock)
    change.deallocate()
    lock.deallocate()
  }

  /// Looks at the state or changes it; whoever waits looks at it then.
  package func withLock<Result: ~Copyable>(_ body: (inout State) -> Result) -> Result {
    pthread_mutex_lock(lock)
    defer {
      pthread_cond_broadcast(change)
      pthread_mutex_unlock(lock)
    }
    return body(&state)
  }

  /// Sleeps until the state fulfils `condition`, which is called with the lock held.
  package func wait(until condition: (borrowing State) -> Bool) {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while !condition(state) { pthread_cond_wait(change, lock) }
  }
}
