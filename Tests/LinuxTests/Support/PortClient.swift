import Glibc

/// A client of a port's Unix socket. Every wait has an end.
final class PortClient {
  let descriptor: Int32
  private var unread: [UInt8] = []

  /// Connects as soon as somebody listens there.
  init(_ path: String, seconds: Double = 30) throws {
    let connecting = Deadline(seconds: seconds)
    while true {
      let made = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      guard made >= 0 else { throw Failure(call: "socket") }
      if try Self.connect(made, to: path) {
        descriptor = made
        break
      }
      let reason = Failure(call: "connect to \(path)")
      let mayCome = errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN
      close(made)
      guard mayCome, !connecting.hasPassed else { throw reason }
      usleep(5000)
    }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
  }

  /// Connects to a TCP port of this host's.
  init(localPort: UInt16) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw Failure(call: "socket") }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = localPort.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw Failure(call: "connect to port \(localPort)") }
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
  }

  deinit { close(descriptor) }

  private static func connect(_ descriptor: Int32, to path: String) throws -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw Failure("\(path): too long for a socket")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
  }

  // MARK: Sending

  func send(_ text: String, seconds: Double = 30) throws {
    try send(Array(text.utf8), seconds: seconds)
  }

  func send(_ bytes: [UInt8], seconds: Double = 30) throws {
    let deadline = Deadline(seconds: seconds)
    var rest = bytes[...]
    while !rest.isEmpty {
      rest = rest.dropFirst(try sendSome(rest))
      if !rest.isEmpty { try deadline.wait(for: descriptor, POLLOUT, "room to send") }
    }
  }

  /// Sends more and more until the socket takes no more for good; returns how much that was.
  func fill(most: Int) throws -> Int {
    let bytes = [UInt8](repeating: UInt8(ascii: "f"), count: 4096)
    var count = 0
    while count < most {
      let sent = try sendSome(bytes[..<min(bytes.count, most - count)])
      if sent == 0, !isWritable(milliseconds: 500) { break }
      count += sent
    }
    return count
  }

  private func isWritable(milliseconds: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    return poll(&entry, 1, milliseconds) > 0
  }

  /// Sends what the socket takes now.
  func sendSome(_ bytes: ArraySlice<UInt8>) throws -> Int {
    let count = bytes.withUnsafeBytes {
      Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    if count >= 0 { return count }
    guard errno == EAGAIN || errno == EINTR else { throw Failure(call: "send") }
    return 0
  }

  // MARK: Receiving

  /// One read, as soon as there is something; empty at the end of the stream.
  func receive(most: Int = 65536, seconds: Double = 60) throws -> [UInt8] {
    if !unread.isEmpty {
      defer { unread.removeFirst(min(most, unread.count)) }
      return Array(unread.prefix(most))
    }
    let deadline = Deadline(seconds: seconds)
    while true {
      var count = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: most) {
        count = recv(descriptor, $0.baseAddress, $0.count, 0)
        $1 = max(count, 0)
      }
      if count >= 0 { return bytes }
      if errno == ECONNRESET { return [] }
      guard errno == EAGAIN || errno == EINTR else { throw Failure(call: "recv") }
      try deadline.wait(for: descriptor, POLLIN, "bytes from the guest")
    }
  }

  /// What has come by now; fails where the other side has hung up.
  func receiveSome() throws -> [UInt8] {
    guard unreadCount == 0 else { return try receive() }
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&entry, 1, 0) > 0 else { return [] }
    let bytes = try receive()
    guard !bytes.isEmpty else { throw Failure("hung up") }
    return bytes
  }

  func receive(exactly count: Int, seconds: Double = 60) throws -> [UInt8] {
    let deadline = Deadline(seconds: seconds)
    var bytes: [UInt8] = []
    while bytes.count < count {
      let piece = try receive(most: min(count - bytes.count, 65536), seconds: seconds)
      guard !piece.isEmpty, !deadline.hasPassed else {
        throw Failure("only \(bytes.count) of \(count) bytes came")
      }
      bytes += piece
    }
    return bytes
  }

  /// One line, without its end.
  func receiveLine(seconds: Double = 60) throws -> String {
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
      let piece = try receive(seconds: seconds)
      guard !piece.isEmpty else {
        throw Failure("hung up after \"\(String(decoding: line, as: UTF8.self))\"")
      }
      guard !deadline.hasPassed else { throw deadline.failure("a line from the guest") }
      unread = piece
    }
  }

  /// Reads until the text has come.
  func awaitText(_ text: String, seconds: Double = 60) throws {
    let deadline = Deadline(seconds: seconds)
    var seen: [UInt8] = []
    while true {
      if let found = seen.firstRange(of: Array(text.utf8)) {
        unread = Array(seen[found.upperBound...]) + unread
        return
      }
      let piece = try receive(seconds: seconds)
      guard !piece.isEmpty, !deadline.hasPassed else {
        throw Failure("no \"\(text)\", but: \(String(decoding: seen.suffix(2000), as: UTF8.self))")
      }
      seen += piece
    }
  }

  /// What comes until the other side ends the stream.
  func receiveToEnd(seconds: Double = 30) throws -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let piece = try receive(seconds: seconds)
      if piece.isEmpty { return bytes }
      bytes += piece
    }
  }

  // MARK: Leaving

  /// Takes no more; what has come already can still be read.
  func stopReceiving() { shutdown(descriptor, Int32(SHUT_RD)) }

  /// What of the bytes sent the other side has not read; in memory units of the kernel's, or 0.
  var untakenCount: Int {
    var count: Int32 = 0
    _ = ioctl(descriptor, UInt(TIOCOUTQ), &count)
    return Int(count)
  }

  /// Bytes that have come and are unread.
  var unreadCount: Int {
    var count: Int32 = 0
    _ = ioctl(descriptor, UInt(FIONREAD), &count)
    return Int(count) + unread.count
  }
}
