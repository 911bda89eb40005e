import CKVM
import Glibc
import Host

/// A program on the other side of a port's socket. Blocks, but never longer than ten seconds.
package final class SocketClient {
  package let descriptor: Int32
  private var isClosed = false
  private var received: [UInt8] = []

  /// Connects, trying for a while until somebody listens.
  ///
  /// - Parameter isPacketed: to a socket of packets.
  package init(_ path: String, isPacketed: Bool = false) throws {
    var descriptor: Int32 = -1
    _ = waitUntil(seconds: 10) {
      descriptor = Self.connect(to: path, type: isPacketed ? SOCK_SEQPACKET : SOCK_STREAM)
      return descriptor >= 0
    }
    guard descriptor >= 0 else { throw SystemError("connect " + path, errno: -descriptor) }
    self.descriptor = descriptor
  }

  /// Takes over a connected socket.
  package init(adopting descriptor: Int32) {
    self.descriptor = descriptor
    let flags = fcntl(descriptor, F_GETFL)
    _ = fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK)
    Self.setDeadlines(descriptor)
  }

  deinit { close() }

  package func close() {
    if !isClosed { Glibc.close(descriptor) }
    isClosed = true
  }

  /// Sends all; false if it could not.
  @discardableResult
  package func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  @discardableResult
  package func send(_ bytes: [UInt8]) -> Bool {
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }

  /// Sends what fits without waiting; returns how much that was.
  package func sendWhatFits(_ bytes: [UInt8]) -> Int {
    max(0, Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)))
  }

  /// The next line without its end; nil at the end of all, or when none comes.
  package func line() -> String? {
    while true {
      if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
        defer { received.removeSubrange(...end) }
        return String(decoding: received[..<end], as: UTF8.self)
      }
      guard let more = receive() else { return nil }
      received += more
    }
  }

  /// Everything up to the end.
  package func rest() -> [UInt8] {
    defer { received = [] }
    while let more = receive() { received += more }
    return received
  }

  /// Receives once; nil at the end, or when nothing comes.
  package func receive(_ count: Int = 1 << 20) -> [UInt8]? {
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = max(0, recv(descriptor, buffer.baseAddress, buffer.count, 0))
    }
    return bytes.isEmpty ? nil : bytes
  }

  /// Whether the other side has closed, which is waited for.
  package var isAtEnd: Bool {
    var byte: UInt8 = 0
    let count = recv(descriptor, &byte, 1, 0)
    return count == 0 || (count == -1 && errno == ECONNRESET)
  }

  private static func setDeadlines(_ descriptor: Int32) {
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
  }

  /// A connected socket, or the negative errno.
  private static func connect(to path: String, type: __socket_type) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return -errno }
    setDeadlines(descriptor)
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
