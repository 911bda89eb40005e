import CKVM
import Glibc

/// Signals delivered as events of a loop, see `signalfd(2)`.
///
/// Belongs to one thread at a time: made on the main thread before any other is started, then
/// handed to the loop's thread.
package final class SignalSource {
  private let descriptor: FileDescriptor
  private var registration: (loop: EventLoop, token: EventLoop.Token)?

  /// Blocks `signals` in the calling thread, and so in all threads it starts from now on, and
  /// collects them instead.
  package init(_ signals: [Int32]) throws(SystemError) {
    var set = sigset_t()
    sigemptyset(&set)
    for signal in signals { sigaddset(&set, signal) }
    let reason = pthread_sigmask(SIG_BLOCK, &set, nil)
    guard reason == 0 else { throw SystemError("pthread_sigmask", errno: reason) }
    descriptor = FileDescriptor(
      owning: try systemCall("signalfd") {
        signalfd(-1, &set, Int32(SFD_NONBLOCK) | Int32(SFD_CLOEXEC))
      })
  }

  deinit {
    stop()
  }

  /// Calls `handler` on the loop's thread with the number of each signal that arrives, those
  /// included that have arrived since `init`. Arrivals of one signal may coalesce.
  package func start(
    on loop: EventLoop, handler: @escaping (Int32) -> Void
  ) throws(SystemError) {
    stop()
    let number = descriptor.rawValue
    let token = try loop.register(number, interest: .readable) { [weak self] _ in
      while let signal = self?.next() { handler(signal) }
    }
    registration = (loop, token)
  }

  /// Calls the handler no more. The signals stay blocked.
  package func stop() {
    guard let (loop, token) = registration else { return }
    registration = nil
    loop.remove(token)
  }

  /// Makes a write to a pipe or socket that nobody reads (`EPIPE`), or to a file beyond the size
  /// that the process may give one (`EFBIG`), an error of that write alone. For the whole process;
  /// to be called first of all.
  package static func ignoreWriteFailures() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Whether whoever started the program wants a signal ignored, as nohup(1) does.
  package static func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    sigaction(signal, nil, &action)
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
      == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  private func next() -> Int32? {
    guard registration != nil else { return nil }
    var info = signalfd_siginfo()
    while true {
      let size = MemoryLayout<signalfd_siginfo>.size
      if read(descriptor.rawValue, &info, size) == size { return Int32(info.ssi_signo) }
      if errno != EINTR { return nil }
    }
  }
}
