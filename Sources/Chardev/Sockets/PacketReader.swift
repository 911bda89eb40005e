import CKVM
import Glibc
import Host

/// Reads packets, each of which the front end gets whole, in as many pieces as it has room for: what
/// of a packet had no room waits here for the next reads, and no other packet is read before.
final class PacketReader {
  /// The most bytes that are sent as one packet.
  static let packetLimit = 64 << 10
  /// The longest packet that is taken whole; only a privileged peer can send longer ones.
  private static let capacity = 1 << 20

  private let log = RateLimitedLog(linesPerSecond: 1)
  /// Made when the first packet is read; memory only where a packet's end came to lie.
  private var storage: UnsafeMutableRawPointer?
  private var start = 0
  private var end = 0

  deinit { storage?.deallocate() }

  /// Whether a part of a packet waits.
  var hasRest: Bool { start < end }

  /// Reads a packet, or more of the last one. Zero bytes are a packet of no length, or the end of
  /// all, which look alike.
  func read(_ socket: Int32, into segments: UnsafeBufferPointer<iovec>) -> TransferOutcome {
    guard segments.byteCount > 0 else { return .wouldBlock }
    if hasRest { return .transferred(takeRest(into: segments)) }
    let storage = storage ?? .allocate(byteCount: Self.capacity, alignment: 16)
    self.storage = storage
    let used = min(segments.count, SocketConnection.maximumSegmentCount - 1)
    let usedRoom = segments.prefix(used).reduce(0) { $0 &+ $1.iov_len }
    return withUnsafeTemporaryAllocation(of: iovec.self, capacity: used + 1) { vector in
      for index in 0..<used { vector[index] = segments[index] }
      vector[used] = iovec(iov_base: storage, iov_len: Self.capacity)
      var message = msghdr()
      message.msg_iov = vector.baseAddress
      message.msg_iovlen = vector.count
      while true {
        let count = recvmsg(socket, &message, Int32(MSG_DONTWAIT))
        if count == -1, let outcome = SocketConnection.failure(errno) { return outcome }
        guard count >= 0 else { continue }
        if message.msg_flags & Int32(MSG_TRUNC) != 0 {
          log.warning("a packet of more than \(Self.capacity) bytes has lost its end")
        }
        start = 0
        end = max(0, count - usedRoom)
        return .transferred(min(count, usedRoom))
      }
    }
  }

  private func takeRest(into segments: UnsafeBufferPointer<iovec>) -> Int {
    let count = segments.fill(
      from: UnsafeRawBufferPointer(start: storage.map { $0 + start }, count: end - start))
    start += count
    return count
  }
}
