import CKVM
import Glibc
import Host

/// An open file or socket that bytes are moved through without waiting. No other code reads or writes
/// a backend's descriptor.
///
/// A call on a socket never raises `SIGPIPE`, and none asks for descriptors that a peer passes along
/// (SCM_RIGHTS), so that the kernel drops them.
struct Stream: ~Copyable {
  /// What one transfer comes to, with the ends of the two directions kept apart.
  enum Outcome: Equatable {
    case transferred(Int)
    case wouldBlock
    /// The peer writes no more.
    case endOfFile
    /// The call failed for good, with this errno.
    case failed(Int32)
  }

  private enum Medium {
    case file
    /// A file in blocking mode, which others share.
    case blockingFile
    case socket
    /// A socket that keeps packets apart.
    case packets(PacketRest)
    /// A socket whose errors are about packets sent before.
    case datagrams(PacketRest)
  }

  /// As many segments as one call takes (`IOV_MAX`); the rest is the next call's.
  static let maximumSegmentCount = 1024
  /// The most bytes that are sent as one packet.
  static let packetLimit = 64 << 10
  /// The longest packet that is taken whole; only a privileged peer can send longer ones.
  private static let packetCapacity = 1 << 20
  /// How many packets of no length one call passes over.
  private static let emptyPacketLimit = 64
  /// What a transfer may move where it could block otherwise: no more than a terminal or pipe that is
  /// ready for writing has room for.
  private static let cautiousByteCount = 256

  private let descriptor: FileDescriptor
  private let medium: Medium

  /// Takes over a file, pipe or terminal in non-blocking mode.
  init(file: consuming FileDescriptor) {
    descriptor = file
    medium = .file
  }

  /// Takes over a connected socket in non-blocking mode.
  init(socket: consuming FileDescriptor, isPacketed: Bool = false) {
    descriptor = socket
    medium = isPacketed ? .packets(PacketRest()) : .socket
  }

  /// Takes over a datagram socket that is connected to its peer, in non-blocking mode.
  init(datagrams: consuming FileDescriptor) {
    descriptor = datagrams
    medium = .datagrams(PacketRest())
  }

  /// Uses a descriptor that other programs share, such as standard output.
  ///
  /// `O_NONBLOCK` belongs to the open file, not to the descriptor, so setting it on a terminal would
  /// set it for the shell as well. So the file is opened anew. Where that cannot be done (sockets,
  /// other users' terminals) a readiness check and small transfers come close to never blocking.
  ///
  /// - Parameters:
  ///   - shared: stays the caller's; it may be closed afterwards.
  ///   - access: `O_RDONLY` or `O_WRONLY`.
  init(sharing shared: Int32, access: Int32) throws(SystemError) {
    var status = stat()
    try systemCall("fstat") { fstat(shared, &status) }
    let reopened =
      Self.isReopenable(shared, status)
      ? open("/proc/self/fd/\(shared)", access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1
    let mayBlock = reopened == -1 && status.st_mode & S_IFMT != S_IFREG
    descriptor = FileDescriptor(
      owning: reopened != -1
        ? reopened : try systemCall("fcntl") { fcntl(shared, F_DUPFD_CLOEXEC, 0) })
    medium = mayBlock ? .blockingFile : .file
  }

  /// Pipes and terminals. Opening another device again may make a new one of its kind, and does for
  /// the controlling side of a pseudo-terminal; a regular file would get a position of its own, and
  /// never blocks for long.
  private static func isReopenable(_ shared: Int32, _ status: stat) -> Bool {
    let multiplexer = dev_t(5 << 8 | 2)
    if status.st_mode & S_IFMT == S_IFIFO { return true }
    return isatty(shared) == 1 && status.st_rdev != multiplexer
  }

  /// The descriptor's number, to watch it and to ask about it.
  var rawValue: Int32 { descriptor.rawValue }

  // MARK: Transfers

  /// Writes what is taken now; as one packet where packets are kept apart, of which no more than
  /// `packetLimit` bytes.
  func write(_ segments: UnsafeBufferPointer<iovec>) -> Outcome {
    switch medium {
    case .file: attempt { writev(rawValue, segments.baseAddress, Self.count(segments)) }
    case .blockingFile: cautiously(segments, POLLOUT, writev)
    case .socket: send(segments)
    case .packets, .datagrams: segments.withPrefix(byteCount: Self.packetLimit) { send($0) }
    }
  }

  /// Reads what is there now.
  func read(into segments: UnsafeBufferPointer<iovec>) -> Outcome {
    let outcome: Outcome
    switch medium {
    case .file, .socket:
      outcome = attempt { readv(rawValue, segments.baseAddress, Self.count(segments)) }
    case .blockingFile: outcome = cautiously(segments, POLLIN, readv)
    case .packets(let rest): return read(rest, into: segments, passesOverErrors: false)
    case .datagrams(let rest): return read(rest, into: segments, passesOverErrors: true)
    }
    guard outcome == .transferred(0) else { return outcome }
    // Reading into no room looks just like the end.
    let hadRoom = segments.prefix(Self.maximumSegmentCount).contains { $0.iov_len > 0 }
    return hadRoom ? .endOfFile : .wouldBlock
  }

  /// Makes a call that transfers bytes, again where a signal has interrupted it.
  private func attempt(_ call: () -> Int) -> Outcome {
    while true {
      let count = call()
      if count >= 0 { return .transferred(count) }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .wouldBlock
      default: return .failed(errno)
      }
    }
  }

  private static func count(_ segments: UnsafeBufferPointer<iovec>) -> Int32 {
    Int32(min(segments.count, maximumSegmentCount))
  }

  private func send(_ segments: UnsafeBufferPointer<iovec>) -> Outcome {
    var message = msghdr()
    message.msg_iov = UnsafeMutablePointer(mutating: segments.baseAddress)
    message.msg_iovlen = min(segments.count, Self.maximumSegmentCount)
    return attempt { sendmsg(rawValue, &message, Int32(MSG_NOSIGNAL)) }
  }

  private func cautiously(
    _ segments: UnsafeBufferPointer<iovec>, _ event: Int32,
    _ call: (Int32, UnsafePointer<iovec>?, Int32) -> Int
  ) -> Outcome {
    guard var first = segments.first(where: { $0.iov_len > 0 }) else { return .transferred(0) }
    first.iov_len = min(first.iov_len, Self.cautiousByteCount)
    return has(Int16(event)) ? attempt { call(rawValue, &first, 1) } : .wouldBlock
  }

  // MARK: Packets

  /// What of the last packet the front end had no room for.
  private final class PacketRest {
    /// Made when the first packet is read; memory only where a packet's end came to lie.
    var storage: UnsafeMutableRawPointer?
    var bytes = 0..<0
    let log = RateLimitedLog(linesPerSecond: 1)

    deinit { storage?.deallocate() }

    func take(into segments: UnsafeBufferPointer<iovec>) -> Int {
      let count = segments.fill(
        from: UnsafeRawBufferPointer(
          start: storage.map { $0 + bytes.lowerBound }, count: bytes.count))
      bytes = bytes.dropFirst(count)
      return count
    }
  }

  /// Whether a part of a packet waits that the front end had no room for. The next reads give it, and
  /// no other packet is read before.
  var hasPacketRest: Bool {
    switch medium {
    case .packets(let rest), .datagrams(let rest): !rest.bytes.isEmpty
    case .file, .blockingFile, .socket: false
    }
  }

  /// Packets of no length are passed over, a bounded number a call. The end of all packets looks like
  /// one of them: it has come where no byte is queued behind it and the peer has ended.
  private func read(
    _ rest: PacketRest, into segments: UnsafeBufferPointer<iovec>, passesOverErrors: Bool
  ) -> Outcome {
    guard segments.byteCount > 0 else { return .wouldBlock }
    if !rest.bytes.isEmpty { return .transferred(rest.take(into: segments)) }
    for _ in 0..<Self.emptyPacketLimit {
      switch receive(rest, into: segments) {
      case .transferred(let count) where count > 0: return .transferred(count)
      case .wouldBlock: return .wouldBlock
      case let outcome where !passesOverErrors:
        guard outcome == .transferred(0) else { return outcome }
        guard queuedByteCount > 0 else { return hasPeerEnded ? .endOfFile : .wouldBlock }
      default: continue
      }
    }
    return .wouldBlock
  }

  private func receive(_ rest: PacketRest, into segments: UnsafeBufferPointer<iovec>) -> Outcome {
    let storage = rest.storage ?? .allocate(byteCount: Self.packetCapacity, alignment: 16)
    rest.storage = storage
    let used = min(segments.count, Self.maximumSegmentCount - 1)
    let usedRoom = segments.prefix(used).reduce(0) { $0 &+ $1.iov_len }
    return withUnsafeTemporaryAllocation(of: iovec.self, capacity: used + 1) { vector in
      for index in 0..<used { vector[index] = segments[index] }
      vector[used] = iovec(iov_base: storage, iov_len: Self.packetCapacity)
      var message = msghdr()
      message.msg_iov = vector.baseAddress
      message.msg_iovlen = vector.count
      let outcome = attempt { recvmsg(rawValue, &message, Int32(MSG_DONTWAIT)) }
      guard case .transferred(let count) = outcome else { return outcome }
      if message.msg_flags & Int32(MSG_TRUNC) != 0 {
        rest.log.warning("a packet of more than \(Self.packetCapacity) bytes has lost its end")
      }
      rest.bytes = 0..<max(0, count - usedRoom)
      return .transferred(min(count, usedRoom))
    }
  }

  // MARK: What a socket tells

  /// Whether a read would bring bytes now.
  var hasUnreadBytes: Bool {
    if case .packets(let rest) = medium { return !rest.bytes.isEmpty || queuedByteCount > 0 }
    // Looks at the first byte: `SIOCINQ` also counts urgent data, which no read ever brings.
    var byte: UInt8 = 0
    let flags = Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)
    if case .transferred(1...) = attempt({ recv(rawValue, &byte, 1, flags) }) { return true }
    return false
  }

  /// Whether the peer has closed both directions by now, or an error is pending.
  var isHungUp: Bool { has(0) }

  /// Whether the peer writes no more, or is gone.
  var hasPeerEnded: Bool {
    has(0x2000)  // POLLRDHUP, which the Glibc module lacks
  }

  /// Writes no more: the peer reads the end of file after what was written.
  func endOutput() { _ = shutdown(rawValue, Int32(SHUT_WR)) }

  /// Throws away what has arrived, up to some megabytes: a connection that is closed with bytes unread
  /// is reset, which may cost the peer what was written to it.
  func discardInput() {
    withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 1) { room in
      for _ in 0..<64 {
        guard recv(rawValue, room.baseAddress, room.count, Int32(MSG_DONTWAIT)) > 0 else { return }
      }
    }
  }

  /// The bytes of all packets that wait, for a Unix socket of packets.
  private var queuedByteCount: Int32 {
    var count: Int32 = 0
    return ioctl(rawValue, UInt(FIONREAD), &count) == 0 ? count : 0
  }

  private func has(_ events: Int16) -> Bool {
    var status = pollfd(fd: rawValue, events: events, revents: 0)
    return poll(&status, 1, 0) == 1
  }
}

/// Scattered memory of one transfer, taken in parts.
extension UnsafeBufferPointer<iovec> {
  /// All bytes of it.
  var byteCount: Int { reduce(0) { $0 &+ $1.iov_len } }

  /// The memory from byte `start` on, up to `limit` bytes; empty segments are left out.
  func part(from start: Int, limit: Int) -> [iovec] {
    var part: [iovec] = []
    var skipped = start
    var left = limit
    for segment in self where left > 0 {
      let skip = Swift.min(skipped, segment.iov_len)
      skipped -= skip
      let count = Swift.min(segment.iov_len - skip, left)
      guard count > 0 else { continue }
      part.append(iovec(iov_base: segment.iov_base + skip, iov_len: count))
      left -= count
    }
    return part
  }

  /// Calls `body` with the segments' first `byteCount` bytes, of as many segments as one call takes.
  func withPrefix<R>(byteCount: Int, _ body: (UnsafeBufferPointer<iovec>) -> R) -> R {
    let used = Swift.min(count, Stream.maximumSegmentCount)
    return withUnsafeTemporaryAllocation(of: iovec.self, capacity: used) { vector in
      var left = byteCount
      var kept = 0
      while kept < used, left > 0 {
        vector[kept] = self[kept]
        vector[kept].iov_len = Swift.min(self[kept].iov_len, left)
        left -= vector[kept].iov_len
        kept += 1
      }
      return body(UnsafeBufferPointer(rebasing: UnsafeBufferPointer(vector)[..<kept]))
    }
  }

  /// Calls `body` with each piece of the first `limit` bytes, in order.
  func forEachPiece(limit: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
    var left = limit
    for segment in self where left > 0 {
      let count = Swift.min(segment.iov_len, left)
      guard count > 0 else { continue }
      body(UnsafeRawBufferPointer(start: segment.iov_base, count: count))
      left -= count
    }
  }

  /// Fills the memory from its beginning; returns how many bytes fitted.
  func fill(from source: UnsafeRawBufferPointer) -> Int {
    var done = 0
    for segment in self where done < source.count {
      let count = Swift.min(segment.iov_len, source.count - done)
      guard count > 0, let start = source.baseAddress else { continue }
      segment.iov_base.copyMemory(from: start + done, byteCount: count)
      done += count
    }
    return done
  }
}

extension UnsafeRawBufferPointer {
  /// Calls `body` with this memory as the only segment of a transfer.
  package func asSegment<R>(_ body: (UnsafeBufferPointer<iovec>) -> R) -> R {
    let segment = iovec(iov_base: UnsafeMutableRawPointer(mutating: baseAddress), iov_len: count)
    return withUnsafePointer(to: segment) { body(UnsafeBufferPointer(start: $0, count: 1)) }
  }
}
