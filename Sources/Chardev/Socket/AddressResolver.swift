import CKVM
import Glibc
import Host
import Synchronization

/// From a host's name or address and a port to addresses of sockets, when a chardev is made.
///
/// A name may take as long as its name server does. While a machine runs, the calling thread waits
/// only as long as there is patience.
enum AddressResolver {
  /// The addresses in the order in which they are to be tried; at least one.
  ///
  /// - Parameters:
  ///   - host: a name, or an IPv4 or IPv6 address, the latter in brackets or without; empty and
  ///     `localhost` are the loopback addresses.
  ///   - type: `SOCK_STREAM` or `SOCK_DGRAM`.
  ///   - lookUp: asks for a name's addresses; getaddrinfo(3).
  static func resolve(
    host: String, port: UInt16, type: Int32, patience: OpeningPatience = .atStart(),
    lookUp: @escaping @Sendable (_ name: String, _ type: Int32, _ flags: Int32) -> Answer = ask
  ) throws(ChardevError) -> [SocketAddress] {
    if host.isEmpty || host == "localhost" {
      return [AF_INET, AF_INET6].map { SocketAddress.loopback($0).withPort(port) }
    }
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    let name = isBracketed ? String(host.dropFirst().dropLast()) : host
    if name.utf8.contains(0) {
      throw ChardevError("the host name contains a NUL byte; leave it out")
    }
    // An address needs no name service.
    var answer = lookUp(name, type, Int32(AI_NUMERICHOST))
    if answer.result == EAI_NONAME, !isBracketed {
      guard let late = answered(patience, { lookUp(name, type, 0) }) else {
        throw ChardevError(
          "no address of host '\(host)' is found in time; give its address, or try again")
      }
      answer = late
    }
    guard answer.result == 0 else {
      throw ChardevError(
        "no address of host '\(host)' is found (\(String(cString: gai_strerror(answer.result)))); "
          + "give a name that this host knows, or an address")
    }
    return answer.addresses.map { $0.withPort(port) }
  }

  /// What getaddrinfo(3) says.
  struct Answer: Sendable {
    var result: Int32
    var addresses: [SocketAddress] = []
  }

  private static let ask: @Sendable (String, Int32, Int32) -> Answer = { name, type, flags in
    var hints = addrinfo()
    hints.ai_socktype = type
    hints.ai_flags = flags
    var list: UnsafeMutablePointer<addrinfo>?
    let result = getaddrinfo(name, nil, &hints, &list)
    defer { if let list { freeaddrinfo(list) } }
    return Answer(result: result, addresses: result == 0 ? addresses(list) : [])
  }

  // MARK: Within a time

  /// Look-ups that nothing waits for any more may be this many.
  private static let lookUpLimit = 8
  private static let lookUpCount = Atomic<Int>(0)

  private final class Box: Sendable {
    let answer = Mutex<Answer?>(nil)
    let isThere: EventFD

    init() throws(SystemError) { isThere = try EventFD() }
  }

  /// The answer to a question that another thread asks; nil where it does not come in time.
  private static func answered(
    _ patience: OpeningPatience, _ question: @escaping @Sendable () -> Answer
  ) -> Answer? {
    guard patience.forPeers < .max else { return question() }
    guard lookUpCount.wrappingAdd(1, ordering: .relaxed).newValue <= lookUpLimit,
      let box = begin(question)
    else {
      lookUpCount.wrappingSubtract(1, ordering: .relaxed)
      return nil
    }
    patience.whileConnecting { milliseconds in
      var status = pollfd(fd: box.isThere.rawValue, events: Int16(POLLIN), revents: 0)
      poll(&status, 1, Int32(clamping: milliseconds))
    }
    return box.answer.withLock { $0 }
  }

  private static func begin(_ question: @escaping @Sendable () -> Answer) -> Box? {
    do throws(SystemError) {
      let box = try Box()
      _ = try Thread(name: "resolver") {
        let answer = question()
        box.answer.withLock { $0 = answer }
        box.isThere.signal()
        lookUpCount.wrappingSubtract(1, ordering: .relaxed)
      }
      return box
    } catch { return nil }
  }

  private static func addresses(_ list: UnsafeMutablePointer<addrinfo>?) -> [SocketAddress] {
    sequence(first: list, next: { $0?.pointee.ai_next }).prefix { $0 != nil }.compactMap { entry in
      guard let entry = entry?.pointee, let address = entry.ai_addr else { return nil }
      return SocketAddress(copying: address, length: entry.ai_addrlen)
    }
  }
}
