import CKVM
import Glibc
import Host

/// The controlling side of a new pseudo-terminal (pty(7)), whose other side programs open and close
/// as they like.
struct TerminalPair: ~Copyable {
  /// Where the other side is.
  let path: String
  private let controller: Stream

  /// Makes one, in raw mode, that nobody has open.
  init() throws(SystemError) {
    let number = try systemCall("posix_openpt") {
      posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    }
    let controller = Stream(file: FileDescriptor(owning: number))
    var name = [CChar](repeating: 0, count: 64)
    try systemCall("grantpt") { grantpt(number) }
    try systemCall("unlockpt") { unlockpt(number) }
    let reason = ptsname_r(number, &name, name.count)
    guard reason == 0 else { throw SystemError("ptsname_r", errno: reason) }
    let path = String(
      decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // Linux says that nobody has it open only once somebody had.
    let other = try systemCall("open '\(path)'") { open(path, O_RDWR | O_NOCTTY | O_CLOEXEC) }
    close(other)
    self.path = path
    self.controller = controller
    setRawMode()
  }

  var descriptor: Int32 { controller.rawValue }

  /// Every byte passes as it is, without echo. Works from this side as well (tty_ioctl(4)), whoever
  /// has the other open.
  func setRawMode() {
    var mode = termios()
    guard tcgetattr(descriptor, &mode) == 0 else { return }
    cfmakeraw(&mode)
    tcsetattr(descriptor, TCSANOW, &mode)
  }

  /// Whether nobody has the other side open, and whether something is to be read.
  var condition: (isHungUp: Bool, hasUnreadBytes: Bool) {
    var status = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&status, 1, 0) == 1 else { return (false, false) }
    let events = Int32(status.revents)
    return (events & POLLHUP != 0, events & POLLIN != 0)
  }

  func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    Self.result(controller.write(segments))
  }

  /// At the end of what a program wrote that has gone, this is `disconnected`.
  func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    Self.result(controller.read(into: segments))
  }

  private static func result(_ outcome: Stream.Outcome) -> TransferResult {
    switch outcome {
    case .transferred(let count) where count > 0: .transferred(count)
    case .transferred, .wouldBlock, .endOfFile: .wouldBlock
    case .failed: .disconnected
    }
  }
}
