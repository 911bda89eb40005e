import SwiftVM

/// A host end as QEMU's `-serial` and `-qmp` name it in one word: `stdio`, `unix:PATH,server=on`, ….
enum LegacyHostEnd {
  /// What such a word may look like.
  static let forms = [
    "stdio", "stderr", "mon:stdio", "none", "null", "pty", "file:PATH", "pipe:PATH", "chardev:ID",
    "unix:PATH,server=on,wait=off", "tcp:HOST:PORT,server=on,wait=off",
    "udp:HOST:PORT@LOCALHOST:LOCALPORT",
  ]

  /// Whether a value is meant so, and not as keys of the short form.
  static func isMeant(_ value: String) -> Bool {
    let word = value.prefix { $0 != "," }
    if ["stdio", "stderr", "none", "null", "pty"].contains(value) { return true }
    guard let colon = word.firstIndex(of: ":") else { return false }
    return !word[..<colon].contains("=")
  }

  /// The host end that a value names; nil for one that swiftvm does not know.
  static func read(
    _ value: String, option: String, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> ChardevConfiguration? {
    switch value {
    // Ctrl-A's keys are there without a monitor, too.
    case "stdio", "mon:stdio": return .standardIO
    case "stderr": return ChardevConfiguration(.standardError)
    case "none", "null": return ChardevConfiguration.none
    case "pty": return ChardevConfiguration(.pseudoTerminal(link: nil))
    default: break
    }
    guard let colon = value.firstIndex(of: ":") else { return nil }
    let rest = String(value[value.index(after: colon)...])
    switch value[..<colon] {
    case "chardev":
      return try table.take(rest, for: String(option.drop { $0 == "-" })) {
        ConfigurationError(option: option, value: value, problem: $0, remedy: $1)
      }
    // All of it is the path, commas too.
    case "file": return .file(path: rest)
    case "pipe": return ChardevConfiguration(.pipe(path: rest))
    case "unix", "tcp":
      return try socket(rest, kind: String(value[..<colon]), option: option, given: value)
    case "udp":
      guard let datagram = DatagramConfiguration(words: rest) else { return nil }
      return ChardevConfiguration(.datagram(datagram))
    default: return nil
    }
  }

  private static func socket(
    _ rest: String, kind: String, option: String, given: String
  ) throws(ConfigurationError) -> ChardevConfiguration {
    var grammar = KeyValueList.Grammar(
      implied: "address", example: "\(option) \(kind):ADDRESS,server=on,wait=off")
    SocketOptions.extendOptions(&grammar)
    for key in ["ipv4", "ipv6"] { grammar.flags.removeAll { $0 == key } }
    let list = try KeyValueList(rest, option: option, grammar, given: given)
    guard let text = list["address"] else {
      throw list.error("the address is missing", "give " + grammar.example)
    }
    guard kind == "tcp" else {
      return ChardevConfiguration(.socket(try SocketOptions.socket(list, .unix(path: text))))
    }
    guard let address = InternetAddress(text) else {
      throw list.error("this is not an address", "give tcp:HOST:PORT")
    }
    return ChardevConfiguration(
      .socket(try SocketOptions.socket(list, .tcp(host: address.host, port: address.port))))
  }
}
