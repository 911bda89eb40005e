import CKVM
import Glibc
import Synchronization

/// The safety net below `Terminal`: gives the terminal its mode back when the program ends by
/// `exit` or by a signal, which no `deinit` survives.
///
/// What the signal handler does is async-signal-safe (signal-safety(7)): it reads preallocated
/// memory and calls `pthread_sigmask`, `tcsetattr`, `sigaction` and `raise`.
enum TerminalRestorer {
  /// Signals that end a process by default and may be caught. One that is blocked and read through
  /// a `SignalSource` does not come here.
  private static let fatalSignals: [Int32] = [
    SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGPIPE, SIGALRM,
    SIGTERM, SIGXCPU, SIGXFSZ, SIGSYS, SIGUSR1, SIGUSR2,
  ]

  /// Lives from the first use on and is never freed, so that a handler finds it at any time.
  private struct Saved {
    static let noTerminal: Int32 = -1

    /// The terminal to restore, or `noTerminal`. Written last, when armed and when restored.
    let descriptor: UnsafeMutablePointer<Atomic<Int32>>
    let mode: UnsafeMutablePointer<termios>
    /// What each signal did before, by number.
    let actions: UnsafeMutablePointer<sigaction>
  }

  private nonisolated(unsafe) static let saved: Saved = {
    let saved = Saved(
      descriptor: .allocate(capacity: 1), mode: .allocate(capacity: 1),
      actions: .allocate(capacity: 65))
    saved.descriptor.initialize(to: Atomic(Saved.noTerminal))
    saved.mode.initialize(to: termios())
    saved.actions.initialize(repeating: sigaction(), count: 65)
    atexit { TerminalRestorer.giveBack() }
    return saved
  }()

  /// Remembers the mode to go back to and catches the fatal signals; false if a terminal is
  /// remembered already.
  static func arm(_ descriptor: Int32, original: termios) -> Bool {
    guard saved.descriptor.pointee.load(ordering: .acquiring) == Saved.noTerminal else {
      return false
    }
    saved.mode.pointee = original
    for number in fatalSignals { catchSignal(number) }
    saved.descriptor.pointee.store(descriptor, ordering: .releasing)
    return true
  }

  /// Restores the mode and the signals' former actions.
  static func restore() {
    giveBack()
    for number in fatalSignals { sigaction(number, saved.actions + Int(number), nil) }
  }

  private static func catchSignal(_ number: Int32) {
    sigaction(number, nil, saved.actions + Int(number))
    // An ignored signal ends nothing: it stays ignored.
    if SignalSource.isIgnored(number) { return }
    var action = sigaction()
    sigemptyset(&action.sa_mask)
    action.__sigaction_handler.sa_handler = { number in TerminalRestorer.signalArrived(number) }
    sigaction(number, &action, nil)
  }

  /// Restores, then lets the signal do what it did before, once this handler has returned: a raised
  /// signal waits that long, and a faulting instruction is executed again.
  private static func signalArrived(_ number: Int32) {
    let reason = errno
    giveBack()
    sigaction(number, saved.actions + Int(number), nil)
    raise(number)
    errno = reason
  }

  /// Restores the mode, unless that is done. Two threads may do it at once, to the same effect.
  static func giveBack() {
    let descriptor = saved.descriptor.pointee.load(ordering: .acquiring)
    guard descriptor != Saved.noTerminal else { return }
    // A process in the background would be stopped for touching the terminal, unless SIGTTOU is
    // blocked.
    var set = sigset_t()
    var former = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGTTOU)
    pthread_sigmask(SIG_BLOCK, &set, &former)
    while tcsetattr(descriptor, TCSANOW, saved.mode) == -1, errno == EINTR {}
    pthread_sigmask(SIG_SETMASK, &former, nil)
    // Only now: a signal that ends the process on another thread meanwhile must not find it done.
    _ = saved.descriptor.pointee.compareExchange(
      expected: descriptor, desired: Saved.noTerminal, ordering: .acquiringAndReleasing)
  }
}
