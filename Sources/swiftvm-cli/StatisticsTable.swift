import SwiftVM

/// The ports' reports as lines of text in columns, for `--stats` and SIGUSR1.
package enum StatisticsTable {
  private struct Column: Sendable {
    let title: String
    /// Numbers stand at the right of their column.
    var isNumber = true
    let text: @Sendable (VirtioConsoleDeviceReport, VirtioConsolePortReport) -> String
  }

  private static let columns = [
    Column(title: "device", isNumber: false) { device, _ in device.label },
    Column(title: "port") { String($1.number) },
    Column(title: "kind", isNumber: false) { $1.isConsole ? "console" : "channel" },
    Column(title: "name", isNumber: false) { PlainText.shortened($1.name ?? "-") },
    Column(title: "guest", isNumber: false) { $1.isOpenInGuest ? "open" : "closed" },
    Column(title: "host", isNumber: false) {
      $1.isThrottled ? "behind" : $1.isOpenOnHost ? "open" : "closed"
    },
    Column(title: "to host") { String($1.bytesToHost) },
    Column(title: "to guest") { String($1.bytesToGuest) },
    Column(title: "dropped") { String($1.bytesDropped) },
    Column(title: "discarded") { String($1.bytesDiscarded) },
    Column(title: "waits") { String($1.throttleCount) },
    Column(title: "clients") { String($1.connectionCount) },
  ]

  /// A line of titles and one for each port; none without ports.
  package static func lines(_ reports: [VirtioConsoleDeviceReport]) -> [String] {
    let rows = reports.flatMap { device in
      device.ports.map { port in columns.map { $0.text(device, port) } }
    }
    guard !rows.isEmpty else { return [] }
    let table = [columns.map(\.title)] + rows
    let widths = columns.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
    return table.map { row in
      let cells = zip(columns, zip(row, widths)).map { column, cell in
        let (text, width) = cell
        let padding = String(repeating: " ", count: width - text.count)
        return column.isNumber ? padding + text : text + padding
      }
      return "stats: " + cells.joined(separator: "  ")
    }
  }
}
