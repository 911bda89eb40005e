import CKVM
import Glibc
import Synchronization

/// A terminal in raw mode, and its way back.
///
/// The former mode is restored when the owner is released, and by `exit` and every signal that ends a
/// process (see `TerminalRestorer`). One terminal at a time.
package struct Terminal: ~Copyable {
  /// Columns and rows of characters.
  package struct Size: Equatable, Sendable {
    /// Characters in a row.
    package let columns: UInt16
    /// Characters in a column.
    package let rows: UInt16

    /// A size of this many columns and rows.
    package init(columns: UInt16, rows: UInt16) {
      self.columns = columns
      self.rows = rows
    }
  }

  private let descriptor: Int32
  private let raw: termios

  /// Whether `descriptor` is a terminal.
  package static func isTerminal(_ descriptor: Int32) -> Bool {
    isatty(descriptor) == 1
  }

  /// The size of the terminal `descriptor`; nil if it is no terminal or has no size.
  package static func size(of descriptor: Int32) -> Size? {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return nil
    }
    return Size(columns: size.ws_col, rows: size.ws_row)
  }

  /// Sets raw mode: every key, Ctrl-C included, arrives at once as the byte it is, without echo.
  /// Output keeps its translation of line ends, so that messages still look right.
  ///
  /// - Parameter descriptor: stays the caller's and must stay open.
  /// - Throws: `ENOTTY` if it is no terminal, `EBUSY` if another one is in raw mode.
  package init(rawModeOn descriptor: Int32) throws(SystemError) {
    var mode = termios()
    try systemCall("tcgetattr") { tcgetattr(descriptor, &mode) }
    guard TerminalRestorer.arm(descriptor, original: mode) else {
      throw SystemError("tcsetattr", errno: EBUSY)
    }
    let output = mode.c_oflag
    cfmakeraw(&mode)
    mode.c_oflag = output
    do {
      try systemCall("tcsetattr") { tcsetattr(descriptor, TCSANOW, &mode) }
    } catch {
      TerminalRestorer.restore()
      throw error
    }
    self.descriptor = descriptor
    raw = mode
  }

  deinit { TerminalRestorer.restore() }

  /// Sets raw mode again: after `SIGCONT`, since a shell changes the mode of a stopped job's
  /// terminal.
  package func reapply() {
    var mode = raw
    while tcsetattr(descriptor, TCSANOW, &mode) == -1, errno == EINTR {}
  }
}

/// Gives the terminal its mode back when the program ends by `exit` or by a signal, without any
/// `deinit`.
///
/// The signal handler is async-signal-safe (signal-safety(7)): it reads preallocated memory and calls
/// `pthread_sigmask`, `tcsetattr`, `sigaction` and `raise`.
enum TerminalRestorer {
  /// Signals that end a process by default and may be caught. One that a `SignalSource` blocks and
  /// reads does not reach the handler.
  private static let fatalSignals: [Int32] = [
    SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGPIPE, SIGALRM,
    SIGTERM, SIGXCPU, SIGXFSZ, SIGSYS, SIGUSR1, SIGUSR2,
  ]

  private static let noTerminal: Int32 = -1

  /// The terminal to restore, or `noTerminal`. Written last, when armed and when restored.
  private static let descriptor = Atomic(noTerminal)
  /// Allocated before the first signal is caught, and never freed: a handler may read it at any time.
  private nonisolated(unsafe) static let mode = UnsafeMutablePointer<termios>.allocate(capacity: 1)
  /// What each signal did before, by number.
  private nonisolated(unsafe) static let actions: UnsafeMutablePointer<sigaction> = {
    atexit { TerminalRestorer.giveBack() }
    return .allocate(capacity: 65)
  }()

  /// Remembers the mode to go back to and catches the fatal signals; false if a terminal is
  /// remembered already.
  static func arm(_ terminal: Int32, original: termios) -> Bool {
    guard descriptor.load(ordering: .acquiring) == noTerminal else { return false }
    mode.initialize(to: original)
    for number in fatalSignals { catchSignal(number) }
    descriptor.store(terminal, ordering: .releasing)
    return true
  }

  /// Restores the mode and the signals' former actions.
  static func restore() {
    giveBack()
    for number in fatalSignals { sigaction(number, actions + Int(number), nil) }
  }

  private static func catchSignal(_ number: Int32) {
    sigaction(number, nil, actions + Int(number))
    // An ignored signal ends nothing: it stays ignored.
    if SignalSource.isIgnored(number) { return }
    var action = sigaction()
    sigemptyset(&action.sa_mask)
    action.__sigaction_handler.sa_handler = { number in TerminalRestorer.signalArrived(number) }
    sigaction(number, &action, nil)
  }

  /// Restores the mode, then the signal's former action, which follows once this handler has returned:
  /// a raised signal waits that long, and a faulting instruction is executed again.
  private static func signalArrived(_ number: Int32) {
    let reason = errno
    giveBack()
    sigaction(number, actions + Int(number), nil)
    raise(number)
    errno = reason
  }

  /// Restores the mode, unless that is done. Two threads may do it at once, with the same effect.
  static func giveBack() {
    let terminal = descriptor.load(ordering: .acquiring)
    guard terminal != noTerminal else { return }
    // The kernel stops a process in the background that sets a terminal's mode, unless SIGTTOU is
    // blocked.
    var set = sigset_t()
    var former = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGTTOU)
    pthread_sigmask(SIG_BLOCK, &set, &former)
    while tcsetattr(terminal, TCSANOW, mode) == -1, errno == EINTR {}
    pthread_sigmask(SIG_SETMASK, &former, nil)
    // Only now: a signal that ends the process on another thread must not find it done too early.
    _ = descriptor.compareExchange(
      expected: terminal, desired: noTerminal, ordering: .acquiringAndReleasing)
  }
}
