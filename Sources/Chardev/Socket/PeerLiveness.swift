import CKVM
import Glibc
import Host

/// Keeps a TCP peer that is alive, and does not read, from being taken for a dead one.
///
/// The kernel ends a connection whose bytes nothing has taken for `TCP_USER_TIMEOUT`, be it that the
/// peer does not answer or that it answers each time that it has no room (tcp(7)). So as long as
/// bytes wait and the peer answers, the time is made longer. Lives on the loop's thread.
final class PeerLiveness {
  /// What the kernel knows of a connection (`TCP_INFO`, linux/tcp.h).
  private struct State {
    /// Probes of the peer's window that it has not answered.
    let unansweredProbes: UInt8
    /// Segments that have been sent and that the peer has not confirmed.
    let unconfirmedSegments: UInt32
    /// Bytes that it has confirmed, ever.
    let confirmedBytes: UInt64

    init?(_ socket: Int32) {
      let info = withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { bytes in
        var length = socklen_t(bytes.count)
        let result = getsockopt(socket, Int32(IPPROTO_TCP), TCP_INFO, bytes.baseAddress, &length)
        guard result == 0, length == bytes.count else { return nil as (UInt8, UInt32, UInt64)? }
        return (
          bytes.load(fromByteOffset: 3, as: UInt8.self),
          bytes.load(fromByteOffset: 24, as: UInt32.self),
          bytes.load(fromByteOffset: 120, as: UInt64.self)
        )
      }
      guard let info else { return nil }
      (unansweredProbes, unconfirmedSegments, confirmedBytes) = info
    }
  }

  private let socket: Int32
  /// How long a peer may give no sign, in milliseconds.
  private let patience: Int
  private weak var loop: EventLoop?
  private var timer: EventLoop.Timer?
  private var confirmedBytes: UInt64 = 0
  /// Since when the peer has confirmed no more.
  private var since: Int64 = 0

  /// - Parameter socket: stays the caller's; nil where it is not watched for dead peers.
  init?(_ socket: Int32) {
    guard let patience = FileDescriptor.socketOption(socket, TCP_USER_TIMEOUT, of: IPPROTO_TCP),
      patience > 0
    else { return nil }
    self.socket = socket
    self.patience = Int(patience)
  }

  func begin(on loop: EventLoop) { self.loop = loop }

  /// Bytes have been handed to the kernel.
  func noteWrite() {
    guard timer == nil else { return }
    since = MonotonicClock.now()
    confirmedBytes = State(socket)?.confirmedBytes ?? 0
    lookLater()
  }

  private func lookLater() {
    timer = loop?.after(milliseconds: max(patience / 2, 1)) { [weak self] in self?.look() }
  }

  private func look() {
    timer = nil
    var waiting: Int32 = 0
    guard ioctl(socket, UInt(TIOCOUTQ), &waiting) == 0, waiting > 0, let state = State(socket)
    else {
      return allow(patience)
    }
    if state.confirmedBytes != confirmedBytes || state.unconfirmedSegments > 0 {
      confirmedBytes = state.confirmedBytes
      since = MonotonicClock.now()
      allow(patience)
    } else if state.unansweredProbes == 0 {
      allow(patience + Int((MonotonicClock.now() &- since) / 1_000_000))
    }
    lookLater()
  }

  /// Sets for how long bytes may wait, counted from when the peer had no more room.
  private func allow(_ milliseconds: Int) {
    FileDescriptor.setSocketOption(
      socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, Int32(clamping: milliseconds))
  }
}
