import CKVM
import Glibc

/// A POSIX thread with a name. Let go of without `join`, it runs on by itself.
package struct Thread: ~Copyable {
  /// For `pthread_kill`, while the thread is not joined.
  package let identifier: pthread_t

  /// What travels to the new thread.
  private final class Start {
    let name: String
    let body: () -> Void

    init(name: String, body: @escaping () -> Void) {
      self.name = name
      self.body = body
    }
  }

  /// Starts `body` on a new thread, which inherits the calling thread's signal mask.
  ///
  /// - Parameter name: shown by `ps -L` and debuggers, which keep its first 15 bytes.
  package init(name: String, _ body: sending @escaping () -> Void) throws(SystemError) {
    let start = Unmanaged.passRetained(Start(name: name, body: body))
    var identifier = pthread_t()
    let reason = pthread_create(
      &identifier, nil,
      { argument in
        guard let argument else { return nil }
        Thread.run(Unmanaged<Start>.fromOpaque(argument).takeRetainedValue())
        return nil
      }, start.toOpaque())
    guard reason == 0 else {
      start.release()
      throw SystemError("pthread_create", errno: reason)
    }
    self.identifier = identifier
  }

  deinit {
    pthread_detach(identifier)
  }

  /// Waits until the thread's body has returned.
  package consuming func join() {
    let identifier = identifier
    discard self
    pthread_join(identifier, nil)
  }

  private static func run(_ start: Start) {
    // A longer name is refused with ERANGE, not shortened.
    pthread_setname_np(pthread_self(), String(decoding: start.name.utf8.prefix(15), as: UTF8.self))
    start.body()
  }
}
