import SwiftVM

/// `HOST:PORT`, `[ADDRESS]:PORT`, `:PORT` or `PORT`; for a listener also `HOST:FIRST-LAST`.
struct InternetAddress: Equatable {
  /// What stands for this host.
  static let loopback = "localhost"

  /// Empty where none was given.
  let host: String
  let port: UInt16
  let lastPort: UInt16?

  /// Nil where the text is not an address.
  init?(_ text: String, allowsRange: Bool = false) {
    let colon = text.utf8.lastIndex(of: UInt8(ascii: ":"))
    var host = colon.map { String(text[..<$0]) } ?? ""
    let ports = colon.map { text[text.utf8.index(after: $0)...] } ?? text[...]
    if host.utf8.first == UInt8(ascii: "["), host.utf8.last == UInt8(ascii: "]") {
      host = String(host.dropFirst().dropLast())
      guard !host.isEmpty else { return nil }
    } else if host.utf8.contains(UInt8(ascii: ":")) {
      return nil
    }
    let numbers = ports.split(separator: "-", omittingEmptySubsequences: false).map(Self.port)
    guard (1...(allowsRange ? 2 : 1)).contains(numbers.count), let first = numbers[0] else {
      return nil
    }
    if numbers.count == 2 {
      guard let last = numbers[1] else { return nil }
      lastPort = last
    } else {
      lastPort = nil
    }
    self.host = host
    port = first
  }

  private static func port(_ text: Substring) -> UInt16? {
    text.utf8.first.map { $0 >= UInt8(ascii: "0") } == true ? UInt16(text) : nil
  }
}

/// A UDP peer and what datagrams are received at: `HOST:PORT` or `HOST:PORT@LOCALHOST:LOCALPORT`.
extension DatagramConfiguration {
  /// Nil where the text is not that.
  init?(words text: String) {
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
