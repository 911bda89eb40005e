import CKVM
import Glibc
import Host

/// The two ends of a pipe.
struct Pipe: ~Copyable {
  let reading: FileDescriptor
  let writing: FileDescriptor

  init() {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { fatalError("pipe: \(errno)") }
    reading = FileDescriptor(owning: ends[0])
    writing = FileDescriptor(owning: ends[1])
  }

  func put(_ text: String = "x") {
    _ = text.utf8.withContiguousStorageIfAvailable {
      write(writing.rawValue, $0.baseAddress, $0.count)
    }
  }
}

/// Two connected stream sockets.
struct SocketPair: ~Copyable {
  let ours: FileDescriptor
  let theirs: FileDescriptor

  init() {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
      fatalError("socketpair: \(errno)")
    }
    ours = FileDescriptor(owning: ends[0])
    theirs = FileDescriptor(owning: ends[1])
  }
}

func isOpen(_ descriptor: Int32) -> Bool {
  fcntl(descriptor, F_GETFD) != -1
}

/// Runs `body` on a thread of its own, for what would mark or block a shared one.
func onOwnThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
  await withCheckedContinuation { continuation in
    do {
      _ = try Thread(name: "test") { continuation.resume(returning: body()) }
    } catch {
      fatalError("\(error)")
    }
  }
}

/// A pseudo-terminal: the side a program uses, and the other one.
final class PseudoTerminal {
  let controller: FileDescriptor
  let terminal: FileDescriptor
  let path: String

  init() {
    let number = posix_openpt(O_RDWR | O_NOCTTY)
    var name = [CChar](repeating: 0, count: 64)
    guard number >= 0, grantpt(number) == 0, unlockpt(number) == 0,
      ptsname_r(number, &name, name.count) == 0
    else { fatalError("posix_openpt: \(errno)") }
    controller = FileDescriptor(owning: number)
    path = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    terminal = FileDescriptor(owning: open(path, O_RDWR | O_NOCTTY))
  }

  var mode: termios {
    var mode = termios()
    tcgetattr(terminal.rawValue, &mode)
    return mode
  }

  /// Whether lines are edited and echoed, as a shell expects it.
  var isCooked: Bool {
    mode.c_lflag & tcflag_t(ICANON | ECHO | ISIG) == tcflag_t(ICANON | ECHO | ISIG)
  }
}
