import Chardev
import Host

/// `HOST:PORT`, `[ADDRESS]:PORT`, `:PORT` or `PORT`; for a listener also `HOST:FIRST-LAST`.
package struct InternetAddress: Equatable {
  /// What stands for this host.
  package static let loopback = "localhost"

  /// Empty where none was given.
  package let host: String
  package let port: UInt16
  package let lastPort: UInt16?

  /// Nil where the text is not an address.
  package init?(_ text: String, allowsRange: Bool = false) {
    let colon = text.utf8.lastIndex(of: UInt8(ascii: ":"))
    var host = colon.map { String(text[..<$0]) } ?? ""
    let ports = colon.map { text[text.utf8.index(after: $0)...] } ?? text[...]
    if host.utf8.first == UInt8(ascii: "["), host.utf8.last == UInt8(ascii: "]") {
      host = String(host.dropFirst().dropLast())
      guard !host.isEmpty else { return nil }
    } else if host.utf8.contains(UInt8(ascii: ":")) {
      return nil
    }
    let numbers = ports.split(separator: "-", omittingEmptySubsequences: false)
      .map { UInt16(digits: $0) }
    guard (1...(allowsRange ? 2 : 1)).contains(numbers.count), !numbers.contains(nil),
      let first = numbers[0]
    else { return nil }
    self.host = host
    port = first
    lastPort = numbers.count == 2 ? numbers[1] : nil
  }

  /// A host of the family of addresses that is asked for: this host has loopback addresses of both; any
  /// other is of one family or names it by its address.
  ///
  /// - Parameters:
  ///   - host: the host; empty where none was given.
  ///   - isReachable: whether no host means every address of this one.
  package static func host(
    _ host: String, ipv4: Bool?, ipv6: Bool?, isReachable: Bool
  ) throws(KeyProblem) -> String {
    guard ipv4 != false || ipv6 != false else {
      throw KeyProblem("both families of addresses are off", "leave ipv4 and ipv6 out")
    }
    let (takesIPv4, takesIPv6) = (ipv4 ?? (ipv6 != true), ipv6 ?? (ipv4 != true))
    guard takesIPv4 != takesIPv6 else { return host }
    if host.isEmpty, isReachable { return takesIPv4 ? "0.0.0.0" : "::" }
    if host.isEmpty || host == loopback { return takesIPv4 ? "127.0.0.1" : "::1" }
    let isIPv4Address = host.utf8.allSatisfy("0123456789.".utf8.contains)
    guard takesIPv4 ? isIPv4Address : host.utf8.contains(UInt8(ascii: ":")) else {
      throw KeyProblem(
        "a host's family is told by its address", "give host= as an address, without ipv4 and ipv6")
    }
    return host
  }
}

/// A UDP peer and what datagrams are received at: `HOST:PORT` or `HOST:PORT@LOCALHOST:LOCALPORT`.
extension DatagramConfiguration {
  /// Nil where the text is not that.
  package init?(words text: String) {
    let parts = text.split(separator: "@", omittingEmptySubsequences: false).map(String.init)
    guard let peer = parts.first.flatMap({ InternetAddress($0) }), parts.count <= 2 else {
      return nil
    }
    self.init(host: peer.host.isEmpty ? InternetAddress.loopback : peer.host, port: peer.port)
    guard parts.count == 2 else { return }
    guard let local = InternetAddress(parts[1]) else { return nil }
    localHost = local.host.isEmpty ? nil : local.host
    localPort = local.port
  }
}
