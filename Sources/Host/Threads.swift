import CKVM
import Glibc

/// A POSIX thread with a name. Released without `join`, it runs on by itself.
package struct Thread: ~Copyable {
  private let identifier: pthread_t

  /// What travels to the new thread.
  private final class Start {
    let run: () -> Void

    init(_ run: @escaping () -> Void) { self.run = run }
  }

  /// Starts `body` on a new thread, which inherits the calling thread's signal mask.
  ///
  /// - Parameter name: shown by `ps -L` and debuggers, which keep its first 15 bytes.
  package init(name: String, _ body: sending @escaping () -> Void) throws(SystemError) {
    // A longer name is refused with ERANGE, not shortened.
    let name = String(decoding: name.utf8.prefix(15), as: UTF8.self)
    let start = Unmanaged.passRetained(
      Start {
        pthread_setname_np(pthread_self(), name)
        body()
      })
    var identifier = pthread_t()
    let reason = pthread_create(
      &identifier, nil,
      { argument in
        if let argument { Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, start.toOpaque())
    guard reason == 0 else {
      start.release()
      throw SystemError("pthread_create", errno: reason)
    }
    self.identifier = identifier
  }

  deinit { pthread_detach(identifier) }

  /// Waits until the thread's body has returned.
  package consuming func join() {
    let identifier = identifier
    discard self
    pthread_join(identifier, nil)
  }
}

/// State guarded by a lock, and threads that sleep until it fulfils a condition. Callable on any
/// thread.
///
/// `@unchecked Sendable`: the state is used only with the lock held.
package final class Lock<State: ~Copyable>: @unchecked Sendable {
  private var state: State
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  /// Guards `state`.
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

  /// Uses the state; waiting threads check their condition afterwards.
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
