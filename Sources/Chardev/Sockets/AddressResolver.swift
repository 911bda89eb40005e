import CKVM
import Glibc
import Host

/// From a host's name or address and a port to addresses of sockets.
///
/// A name may take as long as its name server does, so this is done when a chardev is made, never
/// while it is served.
enum AddressResolver {
  /// The addresses in the order in which they are to be tried; at least one.
  ///
  /// - Parameters:
  ///   - host: a name, or an IPv4 or IPv6 address, the latter in brackets or without; empty and
  ///     `localhost` are the loopback addresses.
  ///   - type: `SOCK_STREAM` or `SOCK_DGRAM`.
  static func resolve(
    host: String, port: UInt16, type: Int32
  ) throws(ChardevError) -> [SocketAddress] {
    if host.isEmpty || host == "localhost" {
      return [AF_INET, AF_INET6].map { SocketAddress.loopback($0).withPort(port) }
    }
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    let name = isBracketed ? String(host.dropFirst().dropLast()) : host
    if name.utf8.contains(0) {
      throw ChardevError("the host name contains a NUL byte; leave it out")
    }
    var hints = addrinfo()
    hints.ai_socktype = type
    // An address needs no name service.
    hints.ai_flags = Int32(AI_NUMERICHOST)
    var list: UnsafeMutablePointer<addrinfo>?
    var result = getaddrinfo(name, nil, &hints, &list)
    if result == EAI_NONAME, !isBracketed {
      hints.ai_flags = 0
      result = getaddrinfo(name, nil, &hints, &list)
    }
    guard result == 0 else {
      throw ChardevError(
        "no address of host '\(host)' is found (\(String(cString: gai_strerror(result)))); "
          + "give a name that this host knows, or an address")
    }
    defer { freeaddrinfo(list) }
    return addresses(list).map { $0.withPort(port) }
  }

  private static func addresses(_ list: UnsafeMutablePointer<addrinfo>?) -> [SocketAddress] {
    sequence(first: list, next: { $0?.pointee.ai_next }).prefix { $0 != nil }.compactMap { entry in
      guard let entry = entry?.pointee, let address = entry.ai_addr else { return nil }
      return SocketAddress(copying: address, length: entry.ai_addrlen)
    }
  }
}
