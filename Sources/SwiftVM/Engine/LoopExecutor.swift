import Glibc
import Host
import Synchronization

/// Lets any thread use what belongs to a loop's thread: on that thread while it runs the loop, before and
/// after on the caller's own, one call at a time.
final class LoopExecutor: Sendable {
  private struct State {
    /// The thread that runs the loop; nil while none does.
    var thread: pthread_t?
    /// Calls that the loop has not made yet.
    var calls: [@Sendable () -> Void] = []
  }

  private let state = Mutex(State())
  private let remote: LoopHandle

  init(remote: LoopHandle) { self.remote = remote }

  /// The calling thread is the loop's from now on.
  func begin() { state.withLock { $0.thread = pthread_self() } }

  /// The loop has ended. Calls that it has not made are made now.
  func end() {
    state.withLock { state in
      state.thread = nil
      for call in state.calls { call() }
      state.calls = []
    }
  }

  /// Calls `body`, and returns or throws what it does. `body` may call `perform` again on the loop's thread
  /// only.
  func perform<Value: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    if isLoopThread { return try body() }
    let result = Lock<Result<Value, Failure>?>(nil)
    let call: @Sendable () -> Void = {
      let made = Result { () throws(Failure) in try body() }
      result.withLock { $0 = made }
    }
    let isQueued = state.withLock { state in
      guard state.thread != nil else {
        call()
        return false
      }
      state.calls.append(call)
      return true
    }
    if isQueued { remote.post { [self] in makeCalls() } }
    while true {
      if let made = result.withLock({ $0 }) { return try made.get() }
      result.wait { $0 != nil }
    }
  }

  private var isLoopThread: Bool {
    state.withLock { state in state.thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
  }

  private func makeCalls() {
    let calls = state.withLock { state in
      defer { state.calls = [] }
      return state.calls
    }
    for call in calls { call() }
  }
}
