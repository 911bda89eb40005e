import Glibc
import Synchronization

/// A number that threads add to.
package final class Counter: Sendable {
  private let number = Atomic(0)

  package init() {}

  package var value: Int { number.load(ordering: .relaxed) }
  package func add(_ amount: Int) { number.add(amount, ordering: .relaxed) }
}

/// Runs `body` on a thread of its own, to be joined.
package func startThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
  let box = Unmanaged.passRetained(Body(call: body))
  var thread = pthread_t()
  pthread_create(
    &thread, nil,
    { argument in
      if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().call() }
      return nil
    }, box.toOpaque())
  return thread
}

private final class Body {
  let call: @Sendable () -> Void
  init(call: @escaping @Sendable () -> Void) { self.call = call }
}

/// Does something again and again, beside the test, until it is stopped or released.
package final class BackgroundThread {
  private let stopRequests = Counter()
  private let thread: pthread_t
  private var hasEnded = false

  package init(_ step: @escaping @Sendable () -> Void) {
    thread = startThread { [stopRequests] in while stopRequests.value == 0 { step() } }
  }

  deinit { stop() }

  /// Returns once the last step is done.
  package func stop() {
    guard !hasEnded else { return }
    hasEnded = true
    stopRequests.add(1)
    pthread_join(thread, nil)
  }
}
