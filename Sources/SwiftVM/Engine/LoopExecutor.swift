import Glibc
import Host
import Synchronization

/// Lets any thread do something with what belongs to a loop's thread: on that thread while it runs
/// the loop, and before and after on the caller's own, one at a time.
final class LoopExecutor: Sendable {
  private struct State {
    /// The thread that runs the loop; nil while none does.
    var thread: pthread_t?
    /// On their way to the loop.
    var calls: [any PendingCall] = []
  }

  private let state = Mutex(State())
  private let remote: LoopHandle

  init(remote: LoopHandle) { self.remote = remote }

  /// The calling thread is the loop's from now on.
  func begin() { state.withLock { $0.thread = pthread_self() } }

  /// It is no more. Calls that have come too late for the loop are made now.
  func end() {
    state.withLock { state in
      state.thread = nil
      for call in state.calls { call.make() }
      state.calls = []
    }
  }

  /// Calls `body` and returns what it returns. Only on the loop's thread may `body` come here again.
  func perform<Value: Sendable>(_ body: @escaping @Sendable () -> Value) -> Value {
    if isLoopThread { return body() }
    let call = Call(body)
    let isMade = state.withLock { state in
      guard state.thread != nil else {
        call.make()
        return true
      }
      state.calls.append(call)
      return false
    }
    if !isMade { remote.post { [self] in take(call)?.make() } }
    return call.value()
  }

  private var isLoopThread: Bool {
    state.withLock { state in state.thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
  }

  private func take(_ call: any PendingCall) -> (any PendingCall)? {
    state.withLock { state in
      guard let index = state.calls.firstIndex(where: { $0 === call }) else { return nil }
      return state.calls.remove(at: index)
    }
  }
}

private protocol PendingCall: AnyObject, Sendable {
  func make()
}

/// A call that one thread makes and another waits for. `@unchecked Sendable`: the semaphore may be
/// used from any thread.
private final class Call<Value: Sendable>: PendingCall, @unchecked Sendable {
  private let body: @Sendable () -> Value
  private let result = Mutex<Value?>(nil)
  private let isDone = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init(_ body: @escaping @Sendable () -> Value) {
    self.body = body
    sem_init(isDone, 0, 0)
  }

  deinit {
    sem_destroy(isDone)
    isDone.deallocate()
  }

  func make() {
    let value = body()
    result.withLock { $0 = value }
    sem_post(isDone)
  }

  /// What the call returns, as soon as it has been made.
  func value() -> Value {
    while true {
      if let value = result.withLock({ $0 }) { return value }
      sem_wait(isDone)
    }
  }
}
