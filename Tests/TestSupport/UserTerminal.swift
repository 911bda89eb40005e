import CKVM
import Glibc
import Host

/// A pseudo-terminal whose user is the test: the side a program uses, and the user's.
package final class UserTerminal {
  /// The user's side: keys are written, the screen is read.
  package let controller: FileDescriptor
  /// The program's side, held open so that its mode outlives the program.
  package let terminal: FileDescriptor
  package let path: String
  /// What the screen has shown after the last text awaited.
  private var screen: [UInt8] = []

  package init() {
    let number = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)
    var name = [CChar](repeating: 0, count: 64)
    guard number >= 0, grantpt(number) == 0, unlockpt(number) == 0,
      ptsname_r(number, &name, name.count) == 0
    else { fatalError("posix_openpt: \(errno)") }
    controller = FileDescriptor(owning: number)
    path = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    terminal = FileDescriptor(owning: open(path, O_RDWR | O_NOCTTY | O_CLOEXEC))
  }

  package var mode: termios {
    var mode = termios()
    tcgetattr(terminal.rawValue, &mode)
    return mode
  }

  /// Everything tcgetattr(3) says, to be compared.
  package var settings: [UInt32] {
    let mode = mode
    return [mode.c_iflag, mode.c_oflag, mode.c_cflag, mode.c_lflag]
      + withUnsafeBytes(of: mode.c_cc) { $0.map { UInt32($0) } }
  }

  /// Whether lines are edited and echoed, and Ctrl-C is a signal, as a shell expects it.
  package var isCooked: Bool { mode.c_lflag & Self.cooked == Self.cooked }

  /// Whether keys come one by one, without echo, Ctrl-C among them.
  package var isRaw: Bool { mode.c_lflag & Self.cooked == 0 }

  private static let cooked = tcflag_t(ICANON | ECHO | ISIG)

  /// Presses keys; says whether the terminal took them all.
  @discardableResult
  package func type(_ keys: String) -> Bool {
    let bytes = Array(keys.utf8)
    return write(controller.rawValue, bytes, bytes.count) == bytes.count
  }

  /// Gives the window another size, as its user would with the mouse.
  package func resize(columns: UInt16, rows: UInt16) {
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(controller.rawValue, UInt(TIOCSWINSZ), &size)
  }

  /// Reads until the screen shows the text somewhere after the last text awaited.
  package func awaitText(_ text: String, seconds: Double) throws {
    let deadline = Deadline(seconds: seconds)
    let wanted = Array(text.utf8)
    while true {
      if let found = screen.firstRange(of: wanted) {
        screen.removeSubrange(..<found.upperBound)
        return
      }
      do { try deadline.wait(for: controller.rawValue, POLLIN, "\"\(text)\" on the screen") } catch
      {
        throw Failure("\(error); there is: \(String(decoding: screen.suffix(2000), as: UTF8.self))")
      }
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = read(controller.rawValue, &buffer, buffer.count)
      guard count > 0 || errno == EAGAIN else { throw Failure(call: "read of the terminal") }
      screen += buffer.prefix(max(count, 0))
    }
  }
}
