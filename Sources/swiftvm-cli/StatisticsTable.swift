import SwiftVM

/// The ports' reports as lines of text in columns, for `--stats` and SIGUSR1: first the ports, then
/// those of their queues on which something happened.
package enum StatisticsTable {
  private struct Row {
    let device: VirtioConsoleDeviceReport
    let port: VirtioConsolePortReport
  }

  private struct QueueRow {
    let device: VirtioConsoleDeviceReport
    let port: VirtioConsolePortReport
    let name: String
    let queue: VirtioQueueReport
  }

  private static let ports = TextTable<Row>([
    .init("device") { $0.device.label },
    .number("port") { UInt64(clamping: $0.port.number) },
    .init("kind") { $0.port.isConsole ? "console" : "channel" },
    .init("name") { PlainText.shortened($0.port.name ?? "-") },
    .init("guest") { $0.port.isOpenInGuest ? "open" : "closed" },
    .init("host") {
      $0.port.isThrottled ? "behind" : $0.port.isOpenOnHost ? "open" : "closed"
    },
    .number("to host") { $0.port.bytesToHost },
    .number("to guest") { $0.port.bytesToGuest },
    .number("dropped") { $0.port.bytesDropped },
    .number("discarded") { $0.port.bytesDiscarded },
    .number("waits") { $0.port.throttleCount },
    .number("clients") { $0.port.connectionCount },
  ])

  private static let queues = TextTable<QueueRow>([
    .init("device") { $0.device.label },
    .number("port") { UInt64(clamping: $0.port.number) },
    .init("queue") { $0.name },
    .number("buffers") { $0.queue.bufferCount },
    .number("bytes") { $0.queue.byteCount },
    .number("notifications") { $0.queue.notificationCount },
    .number("interrupts") { $0.queue.interruptCount },
    .number("faults") { $0.queue.faultCount },
  ])

  /// A line of titles and one for each port, and the same for the queues; none where there are none.
  package static func lines(_ reports: [VirtioConsoleDeviceReport]) -> [String] {
    let rows = reports.flatMap { device in
      device.ports.map { Row(device: device, port: $0) }
    }
    let queueRows = rows.flatMap { row in
      [("receive", row.port.receiveQueue), ("transmit", row.port.transmitQueue)]
        .filter { $0.1 != VirtioQueueReport() }
        .map { QueueRow(device: row.device, port: row.port, name: $0.0, queue: $0.1) }
    }
    return ports.lines(rows).map { "stats: " + $0 }
      + queues.lines(queueRows).map { "queues: " + $0 }
  }
}
