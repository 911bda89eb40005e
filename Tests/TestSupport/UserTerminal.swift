import CKVM
import Glibc
import Host

/// A pseudo-terminal: the side a program uses, and the other one.
package final class UserTerminal {
  /// The user's side: keys are written, the screen is read.
  package let controller: FileDescriptor
  /// The program's side, held open so that its mode outlives the program.
  package let terminal: FileDescriptor
  package let path: String

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

  /// Whether lines are edited and echoed, as a shell expects it.
  package var isCooked: Bool {
    mode.c_lflag & tcflag_t(ICANON | ECHO | ISIG) == tcflag_t(ICANON | ECHO | ISIG)
  }

  /// Presses keys; says whether the terminal took them all.
  @discardableResult
  package func type(_ keys: String) -> Bool {
    let bytes = Array(keys.utf8)
    return write(controller.rawValue, bytes, bytes.count) == bytes.count
  }
}
