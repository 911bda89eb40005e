import Control
import SwiftVM

/// A backend as QEMU's `-serial` and `-qmp` name it in one word: `stdio`, `unix:PATH,server=on`, ….
enum LegacyBackend {
  /// What such a word may look like.
  static let forms = [
    "stdio", "stderr", "mon:stdio", "none", "null", "pty", "file:PATH", "pipe:PATH", "chardev:ID",
    "unix:PATH,server=on,wait=off", "tcp:HOST:PORT,server=on,wait=off",
    "udp:HOST:PORT@LOCALHOST:LOCALPORT",
  ]

  /// Whether a value is meant so, and not as keys of the short form.
  static func isMeant(_ value: String) -> Bool {
    if ["stdio", "stderr", "none", "null", "pty"].contains(value) { return true }
    let word = value.prefix { $0 != "," }
    guard let colon = word.firstIndex(of: ":") else { return false }
    return !word[..<colon].contains("=")
  }

  /// The backend that a word names; nil for one that swiftvm does not know.
  static func read(
    _ word: String, _ given: GivenOption, _ reader: inout RunReader
  ) throws(UsageError) -> ChardevConfiguration? {
    switch word {
    // Ctrl-A's keys are there without a monitor, too.
    case "stdio", "mon:stdio": return .standardIO
    case "stderr": return ChardevConfiguration(.standardError)
    case "none", "null": return ChardevConfiguration.none
    case "pty": return ChardevConfiguration(.pseudoTerminal(link: nil))
    default: break
    }
    guard let colon = word.firstIndex(of: ":") else { return nil }
    let rest = String(word[word.index(after: colon)...])
    switch word[..<colon] {
    case "chardev":
      let property = String(given.option.name.drop { $0 == "-" })
      do throws(KeyProblem) { return try reader.takeChardev(rest, for: property) } catch {
        throw given.error(error.problem, error.remedy)
      }
    // All of it is the path, commas too.
    case "file": return .file(path: rest)
    case "pipe": return ChardevConfiguration(.pipe(path: rest))
    case "unix", "tcp": return try socket(rest, kind: String(word[..<colon]), given, reader.keys)
    case "udp":
      return DatagramConfiguration(words: rest).map { ChardevConfiguration(.datagram($0)) }
    default: return nil
    }
  }

  private static func socket(
    _ rest: String, kind: String, _ given: GivenOption, _ keys: BackendKeys
  ) throws(UsageError) -> ChardevConfiguration {
    var grammar = KeyValueList.Grammar(
      implied: "address", example: "\(given.spelling) \(kind):ADDRESS,server=on,wait=off")
    ChardevOption.extend(&grammar, keys, forSockets: true)
    let list = try KeyValueList(rest, option: given.spelling, grammar, given: given.value)
    guard let text = list["address"] else {
      throw list.error("the address is missing", "give " + grammar.example)
    }
    guard kind == "tcp" else {
      return ChardevConfiguration(try ChardevOption.socket(list, .unix(path: text), keys))
    }
    guard let address = InternetAddress(text) else {
      throw list.error("this is not an address", "give tcp:HOST:PORT")
    }
    return ChardevConfiguration(
      try ChardevOption.socket(list, .tcp(host: address.host, port: address.port), keys))
  }
}
