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
  package static let patienceMilliseconds = 700
  private static let stepMilliseconds: Int32 = 50

  /// The thread's state, which may outlive the guard for a moment.
  private final class Watch: Sendable {
    private let pending: PendingSignals
    let stopping: EventFD
    private let patience: Int64
    private let whenLate: @Sendable (Int32) -> Void

    init(
      _ signals: [Int32], patienceMilliseconds: Int, whenLate: @escaping @Sendable (Int32) -> Void
    ) throws(SystemError) {
      pending = try PendingSignals(signals)
      stopping = try EventFD()
      patience = Int64(patienceMilliseconds) &* 1_000_000
      self.whenLate = whenLate
    }

    func run() {
      while goesOn(watching: pending.rawValue, milliseconds: -1) {
        let start = MonotonicClock.now()
        // It is pending no more once the loop has taken it.
        while isPending, MonotonicClock.now() &- start < patience {
          guard goesOn(watching: -1, milliseconds: SignalGuard.stepMilliseconds) else { return }
        }
        guard MonotonicClock.now() &- start >= patience, let signal = pending.take() else {
          continue
        }
        return whenLate(signal)
      }
    }

    /// Sleeps until a descriptor is readable, if it is one, or the time has passed; false once the
    /// guard has ended.
    private func goesOn(watching descriptor: Int32, milliseconds: Int32) -> Bool {
      var descriptors = [
        pollfd(fd: stopping.rawValue, events: Int16(POLLIN), revents: 0),
        pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
      ]
      poll(&descriptors, 2, milliseconds)
      return descriptors[0].revents == 0
    }

    private var isPending: Bool {
      var status = pollfd(fd: pending.rawValue, events: Int16(POLLIN), revents: 0)
      return poll(&status, 1, 0) == 1
    }
  }

  private let watch: Watch

  /// Watches for `signals`, which the calling thread blocks, as long as the object lives.
  ///
  /// - Parameter whenLate: called with a late signal on the guard's thread, which ends then.
  package init(
    _ signals: [Int32], patienceMilliseconds: Int = SignalGuard.patienceMilliseconds,
    whenLate: @escaping @Sendable (Int32) -> Void = SignalGuard.endProcess
  ) throws(SystemError) {
    let watch = try Watch(
      signals, patienceMilliseconds: patienceMilliseconds, whenLate: whenLate)
    self.watch = watch
    _ = try Thread(name: "signals") { watch.run() }
  }

  deinit { watch.stopping.signal() }

  /// Ends the process as the signal would, without the thread that should have taken it.
  package static let endProcess: @Sendable (Int32) -> Void = { signal in
    TerminalRestorer.giveBack()
    OwnedPath.removeAll()
    Log.warning("the I/O thread does not answer; what it had left to do is not done")
    Log.note("ended by signal \(signal)")
    _exit(128 + signal)
  }
}
