import CKVM
import Glibc

/// One of several chardevs that get the same output, and what it still has to get.
final class Member {
  let chardev: any Chardev
  /// Bytes that the others have got already.
  private var pending: [UInt8] = []
  private(set) var bytesForfeited: UInt64 = 0

  init(_ chardev: any Chardev) { self.chardev = chardev }

  var hasPending: Bool { !pending.isEmpty }

  /// Bytes that are kept for it.
  var pendingByteCount: Int { pending.count }

  /// Takes all bytes: what the chardev does not take now is kept, unless nobody is connected.
  /// Nothing may be pending. Returns false where all are lost.
  func write(_ segments: UnsafeBufferPointer<iovec>) -> Bool {
    let total = segments.byteCount
    var taken = 0
    switch chardev.write(segments) {
    case .transferred(let count): taken = count
    case .lost(let count):
      bytesForfeited &+= UInt64(count)
      guard count < total else { return false }
      taken = count
    case .wouldBlock: break
    case .disconnected:
      if chardev.isConnected { bytesForfeited &+= UInt64(total) }
      return false
    }
    guard taken < total else { return true }
    let rest = segments.part(from: taken, limit: total)
    rest.withUnsafeBufferPointer { rest in
      rest.forEachPiece(limit: total) { pending += $0 }
    }
    return true
  }

  /// Passes on what was kept, as far as it is taken now.
  func flush() {
    while !pending.isEmpty {
      switch pending.withUnsafeBytes({ $0.asSegment { chardev.write($0) } }) {
      case .transferred(let count) where count > 0: pending.removeFirst(count)
      case .lost(let count) where count > 0:
        bytesForfeited &+= UInt64(count)
        pending.removeFirst(count)
      case .transferred, .lost, .wouldBlock: return
      case .disconnected: return forfeit()
      }
    }
  }

  /// The client has left.
  func forfeit() {
    bytesForfeited &+= UInt64(pending.count)
    pending = []
  }

  func updateWish() { chardev.setInterest(.writable, hasPending) }
}
