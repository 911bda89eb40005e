import CKVM
import Glibc
import Host

/// Several front ends on one chardev, for a person at a terminal (QEMU's `mux=on`): the output of
/// all is shown, what is typed goes to the one in focus, and the keys of `EscapeKey` are acted on.
///
/// Typed bytes are looked at as they come, a few of them ahead of what the guest takes: a guest that
/// hangs can still be ended from its console. Lives on the loop's thread.
package final class MuxChardev {
  /// How many typed bytes wait for one front end before no more are read.
  private static let typeAheadBytes = 4096

  package let backend: any Chardev
  private let whenEnded: () -> Void
  private var escape: EscapeKey
  private(set) var loop: EventLoop?
  /// Those that have been started, in that order.
  private var ends: [MuxEnd] = []
  private weak var focus: MuxEnd?
  private var endCount = 0

  /// - Parameters:
  ///   - whenEnded: called from the event loop when the user types Ctrl-A x.
  package init(
    _ backend: any Chardev, escape: EscapeKey = EscapeKey(),
    whenEnded: @escaping () -> Void = {}
  ) {
    self.backend = backend
    self.escape = escape
    self.whenEnded = whenEnded
    backend.delegate = self
  }

  /// One more front end's chardev. The first that is started has the focus.
  ///
  /// - Parameter name: what to call it when it gets the focus.
  package func makeEnd(name: String? = nil) -> any Chardev {
    endCount += 1
    return MuxEnd(self, name: name ?? "console \(endCount)")
  }

  // MARK: What the ends ask for

  func start(_ end: MuxEnd, on loop: EventLoop) throws(SystemError) {
    if self.loop == nil {
      try backend.start(on: loop)
      self.loop = loop
    }
    ends.append(end)
    if focus == nil { focus = end }
    updateWishes()
    loop.post { [weak self] in
      if self?.backend.isConnected == true { end.setConnected(true) }
    }
  }

  func stop(_ end: MuxEnd) {
    let place = ends.firstIndex { $0 === end } ?? 0
    ends.removeAll { $0 === end }
    if focus === end { focus = ends.isEmpty ? nil : ends[place % ends.count] }
    guard ends.isEmpty else { return updateWishes() }
    if loop != nil { backend.stop() }
    loop = nil
  }

  /// Whether an end has the chardev for itself, so that it may end its connection.
  func isAlone(_ end: MuxEnd) -> Bool { ends.count == 1 && ends.first === end }

  func updateWishes() {
    guard loop != nil else { return }
    let hasRoom = focus.map { $0.typedByteCount < Self.typeAheadBytes } ?? false
    backend.setInterest(.readable, hasRoom)
    backend.setInterest(.writable, ends.contains { $0.wantsWritable })
  }

  // MARK: What is typed

  private func readTyped() {
    var typed = [UInt8](repeating: 0, count: Self.typeAheadBytes)
    let result = typed.withUnsafeMutableBytes {
      UnsafeRawBufferPointer($0).asSegment { backend.read(into: $0) }
    }
    guard case .transferred(let count) = result else { return }
    for byte in typed.prefix(count) {
      switch escape.action(for: byte) {
      case .pass(let byte): focus?.type(byte)
      case .ignore: break
      case .end: loop?.post(whenEnded)
      case .help: show(EscapeKey.help(canSwitch: ends.count > 1))
      case .sendBreak: focus?.sendBreak()
      case .switchFocus: switchFocus()
      }
    }
    for end in ends { end.deliverTyped() }
    updateWishes()
  }

  private func switchFocus() {
    guard ends.count > 1, let place = ends.firstIndex(where: { $0 === focus }) else { return }
    let next = ends[(place + 1) % ends.count]
    focus = next
    show("\r\n[\(next.name)]\r\n")
  }

  /// A screen that takes no more now does without.
  private func show(_ text: String) {
    var text = text
    text.withUTF8 { _ = UnsafeRawBufferPointer($0).asSegment { backend.write($0) } }
  }
}

extension MuxChardev: ChardevDelegate {
  package func chardevDidConnect(_ chardev: any Chardev) {
    for end in ends { end.setConnected(true) }
    updateWishes()
  }

  package func chardevDidDisconnect(_ chardev: any Chardev) {
    escape = EscapeKey()
    for end in ends { end.setConnected(false) }
  }

  package func chardevIsReadable(_ chardev: any Chardev) { readTyped() }

  package func chardevIsWritable(_ chardev: any Chardev) {
    for end in ends where end.wantsWritable { end.deliverWritable() }
    // Another one is the first to write the next time.
    if ends.count > 1 { rotateTurns() }
  }

  package func chardevDidResize(_ chardev: any Chardev) {
    for end in ends { end.deliverResize() }
  }

  private func rotateTurns() { ends.append(ends.removeFirst()) }
}

/// One front end's share of a `MuxChardev`.
final class MuxEnd: ChardevWrapper, ChardevSession {
  weak var delegate: (any ChardevDelegate)?
  private(set) var isConnected = false
  let name: String

  let mux: MuxChardev
  /// What was typed for this front end, and it has not read.
  private var typed: [UInt8] = []
  private var interest: EventLoop.Interest = []
  private lazy var delivery = Deferred { [weak self] in self?.deliverTyped() }
  /// The client has gone, and the front end is told once it has read what was typed.
  private var hasPendingDisconnection = false

  init(_ mux: MuxChardev, name: String) {
    self.mux = mux
    self.name = name
  }

  var backend: any Chardev { mux.backend }
  var session: (any ChardevSession)? { self }
  var wantsWritable: Bool { interest.contains(.writable) }

  func start(on loop: EventLoop) throws(SystemError) { try mux.start(self, on: loop) }

  func stop() {
    isConnected = false
    delegate = nil
    mux.stop(self)
  }

  func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    backend.write(segments)
  }

  func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard !typed.isEmpty else { return isConnected ? .wouldBlock : .disconnected }
    let count = typed.withUnsafeBytes { segments.fill(from: $0) }
    guard count > 0 else { return .wouldBlock }
    typed.removeFirst(count)
    mux.updateWishes()
    if hasPendingDisconnection, typed.isEmpty { delivery.post(on: mux.loop) }
    return .transferred(count)
  }

  func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    interest.set(condition, isWanted)
    if wantsTyped { delivery.post(on: mux.loop) }
    mux.updateWishes()
  }

  // MARK: The session

  var waitsForFirstClient: Bool { backend.session?.waitsForFirstClient ?? false }
  func guestWillOpen() { backend.session?.guestWillOpen() }

  /// One front end of several must not end the connection of all.
  func endOutput() { if mux.isAlone(self) { backend.session?.endOutput() } }
  func disconnectClient() { if mux.isAlone(self) { backend.session?.disconnectClient() } }

  // MARK: From the mux, in the event loop

  var typedByteCount: Int { typed.count }

  func type(_ byte: UInt8) { typed.append(byte) }

  func sendBreak() { delegate?.chardevDidReceiveBreak(self) }

  func deliverWritable() { delegate?.chardevIsWritable(self) }

  func deliverResize() { delegate?.chardevDidResize(self) }

  func setConnected(_ connected: Bool) {
    hasPendingDisconnection = !connected && isConnected && !typed.isEmpty
    guard connected != isConnected, !hasPendingDisconnection else { return }
    isConnected = connected
    if connected {
      delegate?.chardevDidConnect(self)
    } else {
      delegate?.chardevDidDisconnect(self)
    }
  }

  /// Offers what was typed for as long as it is wanted.
  func deliverTyped() {
    if wantsTyped { delegate?.chardevIsReadable(self) }
    if wantsTyped { delivery.post(on: mux.loop) }
    if hasPendingDisconnection, typed.isEmpty { setConnected(false) }
  }

  private var wantsTyped: Bool { interest.contains(.readable) && !typed.isEmpty }
}

/// The keys that speak to the program instead of the guest, on a terminal that the guest has for
/// itself: Ctrl-A, then one more, as QEMU has them.
///
/// Takes one byte at a time and remembers where it is, so the two may come in separate reads.
package struct EscapeKey: Sendable {
  /// What is to be done for a byte.
  package enum Action: Equatable, Sendable {
    /// The guest gets this byte.
    case pass(UInt8)
    /// Nothing: half of an escape, or an unknown one.
    case ignore
    /// Ctrl-A x: the user wants the program to end.
    case end
    /// Ctrl-A h: the user wants to see these keys.
    case help
    /// Ctrl-A b: the guest is to notice a break, where it can.
    case sendBreak
    /// Ctrl-A c: what is typed goes to the next front end from now on.
    case switchFocus
  }

  /// Ctrl-A.
  package static let prefix: UInt8 = 0x01

  private var isPrefixSeen = false

  package init() {}

  /// What Ctrl-A h prints, with line ends for a raw terminal.
  ///
  /// - Parameter canSwitch: whether there are several front ends.
  package static func help(canSwitch: Bool) -> String {
    let keys = [
      "x  end the machine", "b  send a break (magic SysRq of a serial line)",
      canSwitch ? "c  switch to the next console" : nil,
      "a  send Ctrl-A to the guest (Ctrl-A Ctrl-A as well)", "h  this help",
    ]
    return "\r\n" + keys.compactMap { $0.map { "Ctrl-A \($0)\r\n" } }.joined()
  }

  /// Takes the next byte that was typed.
  package mutating func action(for byte: UInt8) -> Action {
    guard isPrefixSeen else {
      guard byte == EscapeKey.prefix else { return .pass(byte) }
      isPrefixSeen = true
      return .ignore
    }
    isPrefixSeen = false
    switch byte {
    case EscapeKey.prefix, UInt8(ascii: "a"): return .pass(EscapeKey.prefix)
    case UInt8(ascii: "x"): return .end
    case UInt8(ascii: "b"): return .sendBreak
    case UInt8(ascii: "c"): return .switchFocus
    case UInt8(ascii: "h"), UInt8(ascii: "?"): return .help
    default: return .ignore
    }
  }
}
