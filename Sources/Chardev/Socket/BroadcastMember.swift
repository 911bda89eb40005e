import Glibc
import Host

/// One client of a `BroadcastChardev`, and how much of the guest's output it has.
final class BroadcastMember {
  /// What is to happen once the client has what was written so far.
  enum Farewell {
    /// It reads the end of file, and may go on sending.
    case endOutput
    /// It is closed; the front end has let it go already.
    case close
  }

  let peer: SocketPeer
  /// The next byte of the output for it.
  private(set) var position: UInt64
  private(set) var farewell: (Farewell, at: UInt64)?
  private var takesOutput = true

  init(_ peer: SocketPeer, position: UInt64) {
    self.peer = peer
    self.position = position
  }

  /// Whether the front end still counts it among the connected.
  var isPresent: Bool { if case .close = farewell?.0 { false } else { true } }

  /// Whether it takes output and does not have all of it.
  func isBehind(_ buffer: borrowing BroadcastBuffer) -> Bool {
    takesOutput && position < min(buffer.end, farewell?.at ?? .max)
  }

  /// The first byte that it still needs; beyond all where it needs none.
  func firstNeeded(in buffer: borrowing BroadcastBuffer) -> UInt64 {
    isBehind(buffer) ? position : .max
  }

  /// Says goodbye after what has been written until now.
  func dismiss(
    _ farewell: Farewell, after buffer: borrowing BroadcastBuffer, clock: EventLoop.TurnClock?
  ) {
    self.farewell = (farewell, at: self.farewell?.at ?? buffer.end)
    flush(buffer, clock: clock)
  }

  /// Writes what it takes now, for as long as there is time; returns how many bytes.
  @discardableResult
  func flush(_ buffer: borrowing BroadcastBuffer, clock: EventLoop.TurnClock?) -> Int {
    peer.flushPreface()
    var written = 0
    while isBehind(buffer) {
      let limit = Int(min(buffer.end, farewell?.at ?? .max) - position)
      let result = buffer.withSegments(from: position) { segments in
        segments.withPrefix(byteCount: limit) { peer.write($0) }
      }
      guard case .transferred(let count) = result else {
        if result == .disconnected { takesOutput = false }
        break
      }
      position += UInt64(count)
      written += count
      guard clock?.hasTime() ?? false else { break }
    }
    if !isBehind(buffer) { carryOutFarewell() }
    return written
  }

  private func carryOutFarewell() {
    switch farewell?.0 {
    case .endOutput:
      takesOutput = false
      peer.endOutput()
    case .close: peer.finish()
    case nil: break
    }
  }
}
