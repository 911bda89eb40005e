import CKVM
import Glibc

@testable import Chardev

/// A program on the other side of the socket. Never blocks longer than twenty seconds.
final class TestClient {
  let descriptor: Int32
  private var isClosed = false

  /// Connects to a path; nil where nobody listens.
  convenience init?(_ path: String) {
    guard let place = try? SocketPath(path) else { return nil }
    self.init(SocketAddress(place))
  }

  /// Takes a connection over.
  init(owning descriptor: Int32) { self.descriptor = descriptor }

  /// Connects; nil where nobody listens.
  init?(_ address: SocketAddress, type: Int32 = Int32(SOCK_STREAM.rawValue)) {
    descriptor = socket(address.family, type | Int32(SOCK_CLOEXEC.rawValue), 0)
    var limit = timeval(tv_sec: 20, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
    let number = descriptor
    guard address.withPointer({ connect(number, $0, $1) }) == 0 else {
      Glibc.close(descriptor)
      isClosed = true
      return nil
    }
  }

  deinit {
    close()
  }

  func close() {
    if !isClosed { Glibc.close(descriptor) }
    isClosed = true
  }

  @discardableResult
  func send(_ text: String) -> Int {
    send(Array(text.utf8))
  }

  @discardableResult
  func send(_ bytes: [UInt8], flags: Int32 = 0) -> Int {
    Glibc.send(descriptor, bytes, bytes.count, flags | Int32(MSG_NOSIGNAL))
  }

  /// Sends without waiting; returns how much fitted.
  func sendWhatFits(_ bytes: [UInt8]) -> Int {
    var done = 0
    while done < bytes.count {
      let rest = Array(bytes[done..<min(bytes.count, done + 65536)])
      let count = send(rest, flags: Int32(MSG_DONTWAIT))
      if count <= 0 { break }
      done += count
    }
    return done
  }

  /// Receives once: the bytes, none at the end or on an error.
  func receive(_ count: Int = 65536, flags: Int32 = 0) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: count)
    let received = recv(descriptor, &buffer, count, flags)
    return Array(buffer.prefix(max(0, received)))
  }

  func receiveText() -> String {
    String(decoding: receive(), as: UTF8.self)
  }

  /// Whether the other side has closed: the end, not merely nothing now.
  var isAtEnd: Bool {
    var byte: UInt8 = 0
    let count = recv(descriptor, &byte, 1, 0)
    return count == 0 || (count == -1 && errno == ECONNRESET)
  }

  func shutDown(_ direction: Int) {
    shutdown(descriptor, Int32(direction))
  }
}
