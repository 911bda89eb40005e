import CKVM
import Glibc
import Host

/// One connected socket, of bytes or of packets: transfers that never block and never raise
/// `SIGPIPE`.
///
/// The descriptor must be in non-blocking mode. Descriptors that a peer passes along (SCM_RIGHTS)
/// are dropped by the kernel, since none is asked for.
struct SocketConnection: ~Copyable {
  /// As many segments as one call takes (`IOV_MAX`); the rest is the next call's.
  static let maximumSegmentCount = 1024

  let descriptor: FileDescriptor
  /// Nil for a stream of bytes.
  private let packets: PacketReader?

  init(descriptor: consuming FileDescriptor, isPacketed: Bool = false) {
    self.descriptor = descriptor
    packets = isPacketed ? PacketReader() : nil
  }

  /// Writes what the socket's buffer takes now; as one packet if packets are kept, of which no more
  /// than `PacketReader.packetLimit` bytes.
  func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferOutcome {
    guard packets != nil else { return send(segments) }
    return segments.withPrefix(byteCount: PacketReader.packetLimit) { send($0) }
  }

  /// Reads what has arrived.
  func read(into segments: UnsafeBufferPointer<iovec>) -> TransferOutcome {
    if let packets { return readPacket(packets, into: segments) }
    let segmentCount = min(segments.count, SocketConnection.maximumSegmentCount)
    while true {
      let count = readv(descriptor.rawValue, segments.baseAddress, Int32(segmentCount))
      if count > 0 { return .transferred(count) }
      if count == 0 {
        // Reading into no room looks just like the end.
        let hadRoom = segments.prefix(segmentCount).contains { $0.iov_len > 0 }
        return hadRoom ? .endOfFile : .wouldBlock
      }
      if let outcome = SocketConnection.failure(errno) { return outcome }
    }
  }

  /// Throws away what has arrived, up to some megabytes: a connection that is closed with bytes unread
  /// is reset, which may cost the peer what was written to it.
  func discardInput() {
    withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 1) { room in
      for _ in 0..<64 {
        guard recv(descriptor.rawValue, room.baseAddress, room.count, Int32(MSG_DONTWAIT)) > 0
        else { return }
      }
    }
  }

  /// Writes no more: the peer reads the end of file after what was written.
  func endOutput() {
    _ = shutdown(descriptor.rawValue, Int32(SHUT_WR))
  }

  /// Whether a part of a packet waits that the front end had no room for.
  var hasPacketRest: Bool { packets?.hasRest == true }

  /// Whether a read would bring bytes now.
  var hasUnreadBytes: Bool {
    if let packets { return packets.hasRest || queuedByteCount > 0 }
    // Looks at the first byte: `SIOCINQ` also counts urgent data, which no read ever brings.
    var byte: UInt8 = 0
    while true {
      let count = recv(descriptor.rawValue, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
      if count != -1 || errno != EINTR { return count > 0 }
    }
  }

  /// Whether the peer has closed both directions by now, or an error is pending.
  var isHungUp: Bool { has(0) }

  /// Whether the peer writes no more, or is gone.
  var hasPeerEnded: Bool {
    has(0x2000)  // POLLRDHUP, which the Glibc module lacks
  }

  /// What a failed call means; nil if it is to be repeated.
  static func failure(_ reason: Int32) -> TransferOutcome? {
    switch reason {
    case EINTR: nil
    case EAGAIN: .wouldBlock
    default: .failed(reason)
    }
  }

  private func send(_ segments: UnsafeBufferPointer<iovec>) -> TransferOutcome {
    var message = msghdr()
    message.msg_iov = UnsafeMutablePointer(mutating: segments.baseAddress)
    message.msg_iovlen = min(segments.count, SocketConnection.maximumSegmentCount)
    while true {
      let count = sendmsg(descriptor.rawValue, &message, Int32(MSG_NOSIGNAL))
      if count >= 0 { return .transferred(count) }
      if let outcome = SocketConnection.failure(errno) { return outcome }
    }
  }

  /// Packets of no length are passed over, a bounded number a call. Their like is also the end of all,
  /// which comes when no byte is queued behind it and the peer has ended.
  private func readPacket(
    _ packets: PacketReader, into segments: UnsafeBufferPointer<iovec>
  ) -> TransferOutcome {
    for _ in 0..<64 {
      let outcome = packets.read(descriptor.rawValue, into: segments)
      guard outcome == .transferred(0) else { return outcome }
      guard queuedByteCount > 0 else { return hasPeerEnded ? .endOfFile : .wouldBlock }
    }
    return .wouldBlock
  }

  /// The bytes of all packets that wait, for a Unix socket of packets.
  private var queuedByteCount: Int32 {
    var count: Int32 = 0
    return ioctl(descriptor.rawValue, UInt(FIONREAD), &count) == 0 ? count : 0
  }

  private func has(_ events: Int16) -> Bool {
    var status = pollfd(fd: descriptor.rawValue, events: events, revents: 0)
    return poll(&status, 1, 0) == 1
  }
}
