import Glibc
import Synchronization

/// Does something again and again, beside the test, until it is stopped or let go.
final class BackgroundThread {
  /// What the thread needs; it holds this as long as it runs.
  private final class Work: Sendable {
    let isStopping = Atomic(false)
    let step: @Sendable () -> Void

    init(_ step: @escaping @Sendable () -> Void) { self.step = step }
  }

  private let work: Work
  private var thread = pthread_t()
  private var hasEnded = false

  init(_ step: @escaping @Sendable () -> Void) {
    work = Work(step)
    let context = Unmanaged.passRetained(work).toOpaque()
    pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        let work = Unmanaged<Work>.fromOpaque(context).takeRetainedValue()
        while !work.isStopping.load(ordering: .relaxed) { work.step() }
        return nil
      }, context)
  }

  deinit { stop() }

  /// Returns once the last step is done.
  func stop() {
    guard !hasEnded else { return }
    hasEnded = true
    work.isStopping.store(true, ordering: .relaxed)
    pthread_join(thread, nil)
  }
}
