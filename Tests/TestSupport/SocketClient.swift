import CKVM
import Glibc
import Host

/// A program on the other side of a port's socket. Every wait has an end.
///
/// The calls that throw say what went wrong; the others give what there is, for tests that compare it.
package final class SocketClient {
  package let descriptor: Int32
  private var isClosed = false
  /// Bytes that have been received and not taken.
  private var unread: [UInt8] = []

  /// Connects to a Unix socket as soon as a listener is there.
  ///
  /// - Parameter isPacketed: to a socket of packets.
  package convenience init(_ path: String, isPacketed: Bool = false, seconds: Double = 30) throws {
    var descriptor: Int32 = -1
    _ = waitUntil(seconds: seconds) {
      descriptor = Self.connect(to: path, type: isPacketed ? SOCK_SEQPACKET : SOCK_STREAM)
      return descriptor >= 0
    }
    guard descriptor >= 0 else { throw SystemError("connect " + path, errno: -descriptor) }
    self.init(adopting: descriptor)
  }

  /// Connects to a TCP port of this host.
  package convenience init(localPort: UInt16) throws {
    self.init(adopting: Loopback.connect(to: localPort))
    var length: socklen_t = 0
    var address = sockaddr()
    guard getpeername(descriptor, &address, &length) == 0 else {
      throw Failure(call: "connect to port \(localPort)")
    }
  }

  /// Takes over a connected socket.
  package init(adopting descriptor: Int32) {
    self.descriptor = descriptor
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
    Self.setTimeLimits(descriptor)
  }

  deinit { close() }

  package func close() {
    if !isClosed { Glibc.close(descriptor) }
    isClosed = true
  }

  // MARK: - Sending

  /// Sends all; false if it could not.
  @discardableResult
  package func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  @discardableResult
  package func send(_ bytes: [UInt8]) -> Bool { (try? sendAll(bytes, seconds: 20)) != nil }

  package func sendAll(_ text: String, seconds: Double = 30) throws {
    try sendAll(Array(text.utf8), seconds: seconds)
  }

  package func sendAll(_ bytes: [UInt8], seconds: Double = 30) throws {
    let deadline = Deadline(seconds: seconds)
    var rest = bytes[...]
    repeat {
      let count = try sendSome(rest)
      rest = rest.dropFirst(count ?? 0)
      // No bytes at all are a packet, where there are packets.
      if count != nil, rest.isEmpty { return }
      try deadline.wait(for: descriptor, POLLOUT, "room to send")
    } while true
  }

  /// Sends what fits without waiting; returns how much that was.
  package func sendWhatFits(_ bytes: [UInt8]) -> Int {
    var rest = bytes[...]
    while !rest.isEmpty, let count = try? sendSome(rest.prefix(65536)), count > 0 {
      rest = rest.dropFirst(count)
    }
    return bytes.count - rest.count
  }

  /// Sends what the socket takes now; nil where it takes nothing.
  package func sendSome(_ bytes: ArraySlice<UInt8>) throws -> Int? {
    while true {
      let count = bytes.withUnsafeBytes {
        Glibc.send(
          descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
      }
      if count >= 0 { return count }
      if errno == EAGAIN { return nil }
      guard errno == EINTR else { throw Failure(call: "send") }
    }
  }

  /// Sends more and more until the socket takes no more for good; returns how much that was.
  package func fill(most: Int) throws -> Int {
    let bytes = [UInt8](repeating: UInt8(ascii: "f"), count: 4096)
    var count = 0
    while count < most {
      if let sent = try sendSome(bytes[..<min(bytes.count, most - count)]) {
        count += sent
      } else {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        if poll(&entry, 1, 500) <= 0 { break }
      }
    }
    return count
  }

  // MARK: - Receiving

  /// Receives once: the bytes, none at the end or where none come.
  ///
  /// - Parameter waits: whether for bytes, if there are none now.
  package func receive(_ count: Int = 65536, waits: Bool = true) -> [UInt8] {
    (try? receivePiece(most: count, seconds: waits ? 20 : 0)) ?? []
  }

  package func receiveText() -> String { String(decoding: receive(), as: UTF8.self) }

  /// The next line without its end; nil at the end of all, or when none comes.
  package func line() -> String? { try? receiveLine(seconds: 10) }

  /// Everything up to the end, or until nothing more comes.
  package func rest() -> [UInt8] {
    var bytes: [UInt8] = []
    while let piece = try? receivePiece(seconds: 10), !piece.isEmpty { bytes += piece }
    return bytes
  }

  /// Whether the other side has closed, which is waited for.
  package var isAtEnd: Bool { (try? receivePiece(most: 1, seconds: 20))?.isEmpty == true }

  /// One read, as soon as there is something; empty at the end of the stream.
  package func receivePiece(most: Int = 65536, seconds: Double = 60) throws -> [UInt8] {
    if !unread.isEmpty {
      defer { unread.removeFirst(min(most, unread.count)) }
      return Array(unread.prefix(most))
    }
    let deadline = Deadline(seconds: seconds)
    while true {
      var count = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: most) {
        count = recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
        $1 = max(count, 0)
      }
      if count >= 0 { return bytes }
      if errno == ECONNRESET { return [] }
      guard errno == EAGAIN || errno == EINTR else { throw Failure(call: "recv") }
      try deadline.wait(for: descriptor, POLLIN, "bytes from the guest")
    }
  }

  /// What has come by now; fails where the other side has hung up.
  package func receiveSome() throws -> [UInt8] {
    guard unreadCount == 0 else { return try receivePiece() }
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&entry, 1, 0) > 0 else { return [] }
    let bytes = try receivePiece()
    guard !bytes.isEmpty else { throw Failure("hung up") }
    return bytes
  }

  package func receive(exactly count: Int, seconds: Double = 60) throws -> [UInt8] {
    let deadline = Deadline(seconds: seconds)
    var bytes: [UInt8] = []
    while bytes.count < count {
      let piece = try receivePiece(most: min(count - bytes.count, 65536), seconds: seconds)
      guard !piece.isEmpty, !deadline.hasPassed else {
        throw Failure("only \(bytes.count) of \(count) bytes came")
      }
      bytes += piece
    }
    return bytes
  }

  /// One line, without its end.
  package func receiveLine(seconds: Double = 60) throws -> String {
    let deadline = Deadline(seconds: seconds)
    var line: [UInt8] = []
    while true {
      if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
        line += unread[..<end]
        unread.removeFirst(end + 1)
        return String(decoding: line, as: UTF8.self)
      }
      line += unread
      unread = []
      let piece = try receivePiece(seconds: seconds)
      guard !piece.isEmpty else {
        throw Failure("hung up after \"\(String(decoding: line, as: UTF8.self))\"")
      }
      guard !deadline.hasPassed else { throw deadline.failure("a line from the guest") }
      unread = piece
    }
  }

  /// Reads until the text has come.
  package func awaitText(_ text: String, seconds: Double = 60) throws {
    let deadline = Deadline(seconds: seconds)
    var seen: [UInt8] = []
    while true {
      if let found = seen.firstRange(of: Array(text.utf8)) {
        unread = Array(seen[found.upperBound...]) + unread
        return
      }
      let piece = try receivePiece(seconds: seconds)
      guard !piece.isEmpty, !deadline.hasPassed else {
        throw Failure("no \"\(text)\", but: \(String(decoding: seen.suffix(2000), as: UTF8.self))")
      }
      seen += piece
    }
  }

  /// What comes until the other side ends the stream.
  package func receiveToEnd(seconds: Double = 30) throws -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let piece = try receivePiece(seconds: seconds)
      if piece.isEmpty { return bytes }
      bytes += piece
    }
  }

  // MARK: - Leaving

  /// Takes no more; what has come already can still be read.
  package func stopReceiving() { shutDown(SHUT_RD) }

  package func shutDown(_ direction: Int) { shutdown(descriptor, Int32(direction)) }

  /// What of the bytes sent the other side has not read; in memory units of the kernel's, or 0.
  package var untakenCount: Int {
    var count: Int32 = 0
    _ = ioctl(descriptor, UInt(TIOCOUTQ), &count)
    return Int(count)
  }

  /// Bytes that have come and are unread.
  package var unreadCount: Int {
    var count: Int32 = 0
    _ = ioctl(descriptor, UInt(FIONREAD), &count)
    return Int(count) + unread.count
  }

  // MARK: - Connecting

  /// Has no call on a socket block for ever, connect(2) among them.
  package static func setTimeLimits(_ descriptor: Int32) {
    var limit = timeval(tv_sec: 20, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
  }

  /// A connected socket, or the negative errno.
  private static func connect(to path: String, type: __socket_type) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return -errno }
    setTimeLimits(descriptor)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { place in
      place.copyBytes(from: Array(path.utf8).prefix(place.count - 1))
    }
    let result = withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result != 0 else { return descriptor }
    let reason = errno
    Glibc.close(descriptor)
    return -reason
  }
}
