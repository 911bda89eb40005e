import CKVM
import Glibc

/// A terminal in raw mode, and its way back.
///
/// The mode found at first is restored when the owner's life ends, and, should the program not get
/// that far, by `exit` and by every signal that ends a process (see `TerminalRestorer`). One
/// terminal at a time.
package struct Terminal: ~Copyable {
  /// Columns and rows of characters.
  package struct Size: Equatable, Sendable {
    package let columns: UInt16
    package let rows: UInt16

    package init(columns: UInt16, rows: UInt16) {
      self.columns = columns
      self.rows = rows
    }
  }

  private let descriptor: Int32
  private let raw: termios

  /// Whether `descriptor` is a terminal at all.
  package static func isTerminal(_ descriptor: Int32) -> Bool {
    isatty(descriptor) == 1
  }

  /// The size of the terminal behind `descriptor`; nil if it is none or does not know.
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
    mode.c_iflag &= ~tcflag_t(
      IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON)
    mode.c_lflag &= ~tcflag_t(ECHO | ECHONL | ICANON | ISIG | IEXTEN)
    mode.c_cflag = (mode.c_cflag & ~tcflag_t(CSIZE | PARENB)) | tcflag_t(CS8)
    Terminal.setControlCharacter(VMIN, to: 1, in: &mode)
    Terminal.setControlCharacter(VTIME, to: 0, in: &mode)
    do {
      try systemCall("tcsetattr") { tcsetattr(descriptor, TCSANOW, &mode) }
    } catch {
      TerminalRestorer.restore()
      throw error
    }
    self.descriptor = descriptor
    raw = mode
  }

  deinit {
    TerminalRestorer.restore()
  }

  /// Sets raw mode again: after `SIGCONT`, since a shell changes the mode of a stopped job's
  /// terminal.
  package func reapply() {
    var mode = raw
    while tcsetattr(descriptor, TCSANOW, &mode) == -1, errno == EINTR {}
  }

  private static func setControlCharacter(_ index: Int32, to value: cc_t, in mode: inout termios) {
    withUnsafeMutableBytes(of: &mode.c_cc) { $0[Int(index)] = value }
  }
}
