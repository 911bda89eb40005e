import CKVM
import Glibc
import Host

/// Where a socket is, in the kernel's form: a Unix path, an abstract name, or an internet address
/// with its port.
struct SocketAddress: Equatable, Sendable {
  /// A `sockaddr` of its family, as long as it has to be.
  private let bytes: [UInt8]

  init(copying address: UnsafePointer<sockaddr>, length: socklen_t) {
    let source = UnsafeRawBufferPointer(start: address, count: Int(length))
    bytes = Array(source)
  }

  init(_ path: SocketPath) {
    self = path.withAddress { SocketAddress(copying: $0, length: $1) }
  }

  /// A name of Linux's abstract name space, of up to 107 bytes (unix(7)); its length ends it, as
  /// with QEMU's `tight=on`.
  init(abstractName: String) throws(ChardevError) {
    let name = Array(abstractName.utf8)
    guard !name.isEmpty, name.count <= SocketPath.maximumByteCount else {
      throw ChardevError(
        "the abstract socket name '\(abstractName)' has \(name.count) bytes; give 1 to 107")
    }
    let family = withUnsafeBytes(of: sa_family_t(AF_UNIX)) { Array($0) }
    bytes = family + [0] + name
  }

  /// The loopback address of a family, with port 0.
  static func loopback(_ family: Int32) -> SocketAddress {
    SocketAddress(family: family, host: family == AF_INET6 ? "::1" : "127.0.0.1")
  }

  /// Every address of a family, with port 0.
  static func wildcard(_ family: Int32) -> SocketAddress {
    SocketAddress(family: family, host: family == AF_INET6 ? "::" : "0.0.0.0")
  }

  /// What the socket is bound to.
  static func local(of socket: Int32) -> SocketAddress? { ask(socket, getsockname) }

  /// What the socket is connected to.
  static func peer(of socket: Int32) -> SocketAddress? { ask(socket, getpeername) }

  /// `AF_UNIX`, `AF_INET`, `AF_INET6` or another.
  var family: Int32 { Int32(number(at: 0, as: sa_family_t.self)) }

  /// Whether it is a name in the abstract name space.
  var isAbstract: Bool { family == AF_UNIX && bytes.count > 2 && bytes[2] == 0 }

  /// Whether it is of TCP or UDP.
  var isInternet: Bool { family == AF_INET || family == AF_INET6 }

  /// The port of an internet address, else 0.
  var port: UInt16 { isInternet ? UInt16(bigEndian: number(at: 2, as: UInt16.self)) : 0 }

  /// The same internet address with another port.
  func withPort(_ port: UInt16) -> SocketAddress {
    guard isInternet else { return self }
    var copy = bytes
    copy.replaceSubrange(2..<4, with: withUnsafeBytes(of: port.bigEndian) { Array($0) })
    return SocketAddress(bytes: copy)
  }

  /// Whether only this host reaches it.
  var isLoopback: Bool {
    switch family {
    case AF_INET: bytes.count > 4 && bytes[4] == 127
    case AF_INET6: hostText == "::1" || hostText.hasPrefix("::ffff:127.")
    default: true
    }
  }

  /// In QEMU's words: `unix:/tmp/port0`, `unix:name,abstract=on`, `127.0.0.1:4444`, `[::1]:4444`.
  var text: String {
    switch family {
    case AF_INET: return "\(hostText):\(port)"
    case AF_INET6: return "[\(hostText)]:\(port)"
    case AF_UNIX where isAbstract:
      return "unix:\(String(decoding: bytes.dropFirst(3), as: UTF8.self)),abstract=on"
    case AF_UNIX:
      return "unix:\(String(decoding: bytes.dropFirst(2).prefix { $0 != 0 }, as: UTF8.self))"
    default: return "unknown"
    }
  }

  /// Calls `body` with the address for a system call.
  func withPointer<R>(_ body: (UnsafePointer<sockaddr>?, socklen_t) -> R) -> R {
    bytes.withUnsafeBytes {
      body($0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
    }
  }

  // MARK: The bytes

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private init(family: Int32, host: String) {
    let isIPv6 = family == AF_INET6
    let size = isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
    var raw = [UInt8](repeating: 0, count: size)
    raw.replaceSubrange(0..<2, with: withUnsafeBytes(of: sa_family_t(family)) { Array($0) })
    raw.withUnsafeMutableBytes {
      _ = inet_pton(family, host, $0.baseAddress.map { $0 + (isIPv6 ? 8 : 4) })
    }
    bytes = raw
  }

  private func number<T: FixedWidthInteger>(at offset: Int, as type: T.Type) -> T {
    guard bytes.count >= offset + MemoryLayout<T>.size else { return 0 }
    return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
  }

  private var hostText: String {
    let offset = family == AF_INET6 ? 8 : 4
    guard bytes.count >= offset + (family == AF_INET6 ? 16 : 4) else { return "" }
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    bytes.withUnsafeBytes {
      _ = inet_ntop(family, $0.baseAddress.map { $0 + offset }, &text, socklen_t(text.count))
    }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static func ask(
    _ socket: Int32,
    _ call: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
  ) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        guard call(socket, address, &length) == 0, length >= 2 else { return nil }
        return SocketAddress(copying: address, length: length)
      }
    }
  }
}
