import Glibc

/// A terminal whose user is the test.
final class PseudoTerminal {
  /// The user's side: keys are written, the screen is read.
  private let user: Int32
  /// The programs' side, held open so that its mode outlives them.
  private let program: Int32
  let path: String
  private(set) var screen: [UInt8] = []

  init() throws {
    user = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)
    guard user >= 0 else { throw Failure(call: "open /dev/ptmx") }
    var unlocked: Int32 = 0
    var number: UInt32 = 0
    // TIOCSPTLCK and TIOCGPTN: not in Swift's Glibc, as are unlockpt and ptsname_r.
    guard ioctl(user, 0x4004_5431, &unlocked) == 0, ioctl(user, 0x8004_5430, &number) == 0 else {
      throw Failure(call: "ioctl of /dev/ptmx")
    }
    path = "/dev/pts/\(number)"
    program = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)
    guard program >= 0 else { throw Failure(call: "open \(path)") }
  }

  deinit {
    close(user)
    close(program)
  }

  func type(_ keys: String) throws {
    let bytes = Array(keys.utf8)
    guard write(user, bytes, bytes.count) == bytes.count else { throw Failure(call: "write") }
  }

  /// Gives the window another size, as its user would with the mouse.
  func resize(columns: UInt16, rows: UInt16) {
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(user, UInt(TIOCSWINSZ), &size)
  }

  /// Reads until the screen shows the text somewhere after the last text awaited.
  func awaitText(_ text: String, seconds: Double) throws {
    let deadline = Deadline(seconds: seconds)
    let wanted = Array(text.utf8)
    while true {
      if let found = screen.firstRange(of: wanted) {
        screen.removeSubrange(..<found.upperBound)
        return
      }
      do { try deadline.wait(for: user, POLLIN, "\"\(text)\" on the screen") } catch {
        throw Failure("\(error); there is: \(String(decoding: screen.suffix(2000), as: UTF8.self))")
      }
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = read(user, &buffer, buffer.count)
      guard count > 0 || errno == EAGAIN else { throw Failure(call: "read of the terminal") }
      screen += buffer.prefix(max(count, 0))
    }
  }

  /// Everything tcgetattr(3) says.
  var mode: Mode {
    var mode = termios()
    tcgetattr(program, &mode)
    let characters = withUnsafeBytes(of: mode.c_cc) { Array($0) }
    return Mode(
      flags: [mode.c_iflag, mode.c_oflag, mode.c_cflag, mode.c_lflag], characters: characters)
  }

  struct Mode: Equatable {
    let flags: [tcflag_t]
    let characters: [UInt8]

    /// Keys come one by one, without echo, Ctrl-C among them.
    var isRaw: Bool { flags[3] & tcflag_t(ICANON | ECHO | ISIG) == 0 }
  }
}
