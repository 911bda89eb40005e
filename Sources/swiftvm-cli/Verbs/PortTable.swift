import Control
import Host

/// The ports of a running machine as lines of text in columns.
enum PortTable {
  private static let table = TextTable<JSONValue>([
    .init("device") { text($0, "device") },
    .number("port") { number($0, "nr") },
    .init("kind") { $0["console"]?.bool == true ? "console" : "channel" },
    .init("id") { text($0, "id") },
    .init("name") { text($0, "name") },
    .init("guest") { $0["guest-open"]?.bool == true ? "open" : "closed" },
    .init("host") {
      if $0["throttled"]?.bool == true { return "behind" }
      return $0["host-open"]?.bool == true ? "open" : "closed"
    },
    .number("to host") { number($0, "bytes-to-host") },
    .number("to guest") { number($0, "bytes-to-guest") },
    .number("dropped") { number($0, "bytes-dropped") },
    .number("discarded") { number($0, "bytes-discarded") },
    .init("backend") { text($0, "filename") },
  ])

  /// A line of titles and one for each port.
  ///
  /// - Parameter ports: the value of `x-swiftvm-query-ports`.
  static func lines(_ ports: JSONValue) -> [String] { table.lines(ports.elements ?? []) }

  private static func text(_ port: JSONValue, _ name: String) -> String {
    PlainText.shortened(port[name]?.text ?? "-")
  }

  private static func number(_ port: JSONValue, _ name: String) -> UInt64 {
    UInt64(clamping: port[name]?.integer ?? 0)
  }
}
