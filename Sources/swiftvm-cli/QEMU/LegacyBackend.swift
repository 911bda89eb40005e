import Control
import SwiftVM

/// A backend as QEMU's `-serial` and `-qmp` name it in one word: `stdio`, `unix:PATH,server=on`, ….
enum LegacyBackend {
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
    case "unix":
      return try ChardevOption.backend(
        "socket,path=" + rest, given, &reader,
        example: "\(given.spelling) unix:ADDRESS,server=on,wait=off")
    case "tcp":
      let place = rest.prefix { $0 != "," }
      guard let address = InternetAddress(String(place)) else {
        throw given.error("this is not an address", "give tcp:HOST:PORT")
      }
      let host = address.host.isEmpty ? "" : "host=\(address.host),"
      return try ChardevOption.backend(
        "socket,\(host)port=\(address.port)" + rest.dropFirst(place.count), given, &reader,
        example: "\(given.spelling) tcp:ADDRESS,server=on,wait=off")
    case "udp":
      return DatagramConfiguration(words: rest).map { ChardevConfiguration(.datagram($0)) }
    default: return nil
    }
  }
}
