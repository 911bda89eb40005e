import CKVM
import Glibc
import Host

/// A chardev that is a new pseudo-terminal, for a terminal program such as `screen` or `minicom`.
///
/// Connected while any program has it open; several at once count as one. Linux tells the
/// controlling side when the last one closes it, but not when the next one opens it, where QEMU
/// therefore looks every second. Here inotify(7) tells of that, on the terminal's node, so that
/// nothing wakes up in vain. A program that closes it with bytes unread stays connected, as far as
/// the front end can tell, until it has read them.
///
/// Nor does Linux tell of a new window size. It is looked at whenever a program opens or closes the
/// terminal (`stty -F PATH rows 50`) and whenever one types something.
package final class PseudoTerminal: Chardev, ChardevTerminal {
  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  /// Where programs find it: `/dev/pts/3`.
  package let path: String

  /// Nil once it has stopped.
  private var pair: TerminalPair?
  private var link: TerminalLink?
  private var loop: EventLoop?
  private var watch: EventLoop.OpeningWatch?
  private var token: EventLoop.Token?
  private var interest: EventLoop.Interest = []
  /// The last program has gone; it may have left bytes.
  private var isHungUp = false
  private lazy var examination = Deferred { [weak self] in self?.examine() }
  private var knownSize: Terminal.Size?

  /// Makes the terminal, so that programs may open it from now on; they are served after `start`.
  ///
  /// - Parameters:
  ///   - link: where to make a symbolic link to it.
  ///   - patience: for others who are making one there.
  package init(
    link path: String? = nil, patience: OpeningPatience = .atStart()
  ) throws(ChardevError) {
    do throws(SystemError) {
      let made = try TerminalPair()
      self.path = made.path
      pair = consume made
    } catch {
      let remedy = error.errno == ENOSPC ? "end other programs" : "mount devpts at /dev/pts"
      throw ChardevError("no pseudo-terminal can be had: \(error); \(remedy)")
    }
    if let path { link = try TerminalLink(path, to: self.path, patience: patience) }
  }

  package var filename: String { "pty:\(path)" }

  package func start(on loop: EventLoop) throws(SystemError) {
    guard self.loop == nil, let number = pair?.descriptor else { return }
    let token = try loop.register(number, interest: []) { [weak self] in
      self?.isReady(for: $0)
    }
    do throws(SystemError) {
      watch = try loop.watchOpenings(of: path) { [weak self] in self?.examine() }
    } catch {
      loop.remove(token)
      throw error
    }
    self.token = token
    self.loop = loop
    // A program may have it open already.
    examination.post(on: loop)
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard isConnected, !isHungUp else { return .disconnected }
    let result = pair?.write(segments) ?? .disconnected
    if result == .disconnected { examination.post(on: loop) }
    return result
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard isConnected else { return .disconnected }
    let result = pair?.read(into: segments) ?? .disconnected
    // What was read may be a leaving program's last, or tell of a person at a resized window.
    let mayMatter = isHungUp || result == .disconnected || size != knownSize
    if mayMatter { examination.post(on: loop) }
    return result
  }

  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    interest.set(condition, isWanted)
    updateInterest()
  }

  package var terminal: (any ChardevTerminal)? { self }
  package var windowSize: Terminal.Size? { knownSize }

  /// `SIGWINCH` is not about this terminal.
  package func windowSizeMayHaveChanged() {}

  package func stop() {
    watch = nil
    if let token { loop?.remove(token) }
    token = nil
    link = nil
    pair = nil
    isConnected = false
    loop = nil
  }

  // MARK: Programs

  private var size: Terminal.Size? { Terminal.size(of: pair?.descriptor ?? -1) }

  private func isReady(for readiness: EventLoop.Readiness) {
    if !readiness.isDisjoint(with: [.hangup, .error]) { examine() }
    if readiness.contains(.readable), interest.contains(.readable), isConnected {
      delegate?.chardevIsReadable(self)
    }
    if readiness.contains(.writable), interest.contains(.writable), isConnected, !isHungUp {
      delegate?.chardevIsWritable(self)
    }
  }

  /// Brings what the front end knows in line with what is the case. Only from the top of a loop's
  /// turn, since it calls the delegate.
  private func examine() {
    guard loop != nil, let condition = pair?.condition else { return }
    isHungUp = condition.isHungUp
    let isThere = !condition.isHungUp || condition.hasUnreadBytes
    if isThere != isConnected {
      isConnected = isThere
      // The next program shall not suffer from what the last one has set.
      if !isThere { pair?.setRawMode() }
      updateInterest()
      if isThere { delegate?.chardevDidConnect(self) } else { delegate?.chardevDidDisconnect(self) }
    }
    updateInterest()
    guard let size, size != knownSize else { return }
    knownSize = size
    delegate?.chardevDidResize(self)
  }

  /// Once the program is gone, only the wish to read what it left keeps the descriptor watched,
  /// since the hang-up is reported for ever.
  private func updateInterest() {
    guard let loop, let token else { return }
    let served: EventLoop.Interest =
      !isConnected ? [] : isHungUp ? interest.intersection(.readable) : interest.union(.hangup)
    loop.setInterest(served, for: token)
  }
}

/// The controlling side of a new pseudo-terminal (pty(7)), whose other side programs open and close
/// as they like.
struct TerminalPair: ~Copyable {
  /// Where the other side is.
  let path: String
  private let controller: Stream

  /// Makes one, in raw mode, that no program has open.
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
    // Linux reports that no program has it open only after one had.
    let other = try systemCall("open '\(path)'") { open(path, O_RDWR | O_NOCTTY | O_CLOEXEC) }
    close(other)
    self.path = path
    self.controller = controller
    setRawMode()
  }

  var descriptor: Int32 { controller.rawValue }

  /// Every byte passes as it is, without echo. Works from this side as well (tty_ioctl(4)), while
  /// programs have the other open.
  func setRawMode() {
    var mode = termios()
    guard tcgetattr(descriptor, &mode) == 0 else { return }
    cfmakeraw(&mode)
    tcsetattr(descriptor, TCSANOW, &mode)
  }

  /// Whether no program has the other side open, and whether something is to be read.
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
