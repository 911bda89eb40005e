// Under 30 lines, since every module that posts work uses this one flag.
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
