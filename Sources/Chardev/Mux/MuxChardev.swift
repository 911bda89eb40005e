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
