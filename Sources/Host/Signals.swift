import CKVM
import Glibc

/// Signals delivered as events of a loop, see `signalfd(2)`.
///
/// Belongs to one thread at a time: made on the main thread before any other is started, then
/// handed to the loop's thread.
package final class SignalSource {
  private let pending: PendingSignals
  private var registration: (loop: EventLoop, token: EventLoop.Token)?

  /// Blocks `signals` in the calling thread, and so in all threads it starts from now on, and
  /// collects them instead.
  package init(_ signals: [Int32]) throws(SystemError) {
    var set = sigset_t(signals)
    let reason = pthread_sigmask(SIG_BLOCK, &set, nil)
    guard reason == 0 else { throw SystemError("pthread_sigmask", errno: reason) }
    pending = try PendingSignals(signals)
  }

  deinit { stop() }

  /// Calls `handler` on the loop's thread with the number of each signal that arrives, those
  /// included that have arrived since `init`. Arrivals of one signal may coalesce.
  package func start(
    on loop: EventLoop, handler: @escaping (Int32) -> Void
  ) throws(SystemError) {
    stop()
    let token = try loop.register(pending.rawValue, interest: .readable) { [weak self] _ in
      while let self, self.registration != nil, let signal = self.pending.take() {
        handler(signal)
      }
    }
    registration = (loop, token)
  }

  /// Calls the handler no more. The signals stay blocked.
  package func stop() {
    guard let (loop, token) = registration else { return }
    registration = nil
    loop.remove(token)
  }

  /// Makes failing writes return an error instead of raising a signal: to a pipe or socket without a
  /// reader (`EPIPE`), or beyond the file size limit (`EFBIG`). For the whole process; to be called
  /// first of all.
  package static func ignoreWriteFailures() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Whether the program was started with a signal ignored, as nohup(1) does.
  package static func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    sigaction(signal, nil, &action)
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
      == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}

/// A signalfd(2), readable while one of its blocked signals is pending.
private struct PendingSignals: ~Copyable, Sendable {
  private let descriptor: FileDescriptor

  init(_ signals: [Int32]) throws(SystemError) {
    var set = sigset_t(signals)
    descriptor = FileDescriptor(
      owning: try systemCall("signalfd") {
        signalfd(-1, &set, Int32(SFD_NONBLOCK) | Int32(SFD_CLOEXEC))
      })
  }

  var rawValue: Int32 { descriptor.rawValue }

  var isPending: Bool {
    var status = pollfd(fd: rawValue, events: Int16(POLLIN), revents: 0)
    return poll(&status, 1, 0) == 1
  }

  /// Takes a signal, if one is pending.
  func take() -> Int32? {
    var information = signalfd_siginfo()
    let size = MemoryLayout<signalfd_siginfo>.size
    while true {
      if read(rawValue, &information, size) == size { return Int32(information.ssi_signo) }
      if errno != EINTR { return nil }
    }
  }
}

extension sigset_t {
  /// The set of these signals.
  package init(_ signals: [Int32]) {
    self.init()
    sigemptyset(&self)
    for signal in signals { sigaddset(&self, signal) }
  }
}

/// Ends the process by a signal that is not taken in time: a loop that is stuck, in a file system or in
/// work without end, must not prevent it.
///
/// A thread of its own sleeps until one of the signals, which all threads block, is pending. It only
/// looks: the loop takes the signal by its `SignalSource`. If the loop does not, its last work, such as
/// passing on the last bytes, is left out. The terminal gets its mode back, and the process's own
/// sockets and links are removed.
package final class SignalGuard: Sendable {
  /// How long a signal may be pending. With what follows, the process ends within a second.
  private static let patienceNanoseconds: Int64 = 700_000_000
  private static let stepMilliseconds: Int32 = 50

  private let stopping: EventFD

  /// Watches for `signals`, which the calling thread blocks, as long as the object lives.
  package init(_ signals: [Int32]) throws(SystemError) {
    let pending = try PendingSignals(signals)
    let stopping = try EventFD()
    self.stopping = stopping
    _ = try Thread(name: "signals") {
      if let signal = Self.lateSignal(pending, stopping) { Self.endProcess(by: signal) }
    }
  }

  deinit { stopping.signal() }

  /// Waits until a signal has been pending for too long; nil once the guard has ended.
  private static func lateSignal(
    _ pending: borrowing PendingSignals, _ stopping: EventFD
  ) -> Int32? {
    while !hasEnded(stopping, orReadable: pending.rawValue, milliseconds: -1) {
      let start = MonotonicClock.now()
      // It is pending no more once the loop has taken it.
      while pending.isPending {
        if MonotonicClock.now() &- start >= patienceNanoseconds, let signal = pending.take() {
          return signal
        }
        if hasEnded(stopping, orReadable: -1, milliseconds: stepMilliseconds) { return nil }
      }
    }
    return nil
  }

  /// Sleeps until the guard has ended, a descriptor is readable, if it is one, or the time has passed;
  /// returns whether the guard has ended.
  private static func hasEnded(
    _ stopping: EventFD, orReadable descriptor: Int32, milliseconds: Int32
  ) -> Bool {
    var descriptors = [
      pollfd(fd: stopping.rawValue, events: Int16(POLLIN), revents: 0),
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
    ]
    poll(&descriptors, 2, milliseconds)
    return descriptors[0].revents != 0
  }

  /// Ends the process as the signal would, without the thread that should have taken it.
  private static func endProcess(by signal: Int32) {
    TerminalRestorer.giveBack()
    OwnedPath.removeAll()
    Log.warning("the I/O thread does not answer; what it had left to do is not done")
    Log.note("ended by signal \(signal)")
    _exit(128 + signal)
  }
}
