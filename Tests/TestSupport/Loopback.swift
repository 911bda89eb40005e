import Glibc

/// TCP on this host's loopback address.
package enum Loopback {
  /// A socket that listens, for the caller to close, and its port.
  package static func listen(backlog: Int32 = 5) -> (descriptor: Int32, port: UInt16) {
    let descriptor = makeSocket()
    var address = sockaddr_in()
    withAddress(0) { _ = bind(descriptor, $0, $1) }
    _ = Glibc.listen(descriptor, backlog)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = getsockname(descriptor, $0, &length)
      }
    }
    return (descriptor, UInt16(bigEndian: address.sin_port))
  }

  /// A connection, for the caller to close; with `waits` off, one that is perhaps never made.
  package static func connect(to port: UInt16, waits: Bool = true) -> Int32 {
    let descriptor = makeSocket()
    if !waits { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
    withAddress(port) { _ = Glibc.connect(descriptor, $0, $1) }
    return descriptor
  }

  private static func makeSocket() -> Int32 {
    socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
  }

  private static func withAddress(
    _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Void
  ) {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }
}
