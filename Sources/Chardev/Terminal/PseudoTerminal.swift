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
    // Somebody may have it open already.
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
