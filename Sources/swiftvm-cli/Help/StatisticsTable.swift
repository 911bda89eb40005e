import Host
import SwiftVM

/// The devices' reports as lines of text in columns, for `--stats` and SIGUSR1: first the ports, then
/// the queues on which something happened, then the devices on which something out of the ordinary did,
/// and the consoles that are no virtio devices.
enum StatisticsTable {
  private struct Row {
    let device: VirtioConsoleDeviceReport
    let port: VirtioConsolePortReport
  }

  private struct QueueRow {
    let device: VirtioConsoleDeviceReport
    /// Nil for the control queues.
    let port: VirtioConsolePortReport?
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
    .right("port") { $0.port.map { String($0.number) } ?? "control" },
    .init("queue") { $0.name },
    .number("buffers") { $0.queue.bufferCount },
    .number("bytes") { $0.queue.byteCount },
    .number("notifications") { $0.queue.notificationCount },
    .number("interrupts") { $0.queue.interruptCount },
    .number("faults") { $0.queue.faultCount },
  ])

  private static let devices = TextTable<VirtioConsoleDeviceReport>([
    .init("device") { $0.label },
    .number("faults") { $0.faultCount },
    .number("messages ignored") { $0.ignoredMessageCount },
    .number("bytes to no port") { $0.bytesToUnknownPorts },
    .number("ports removed") { $0.removedPortCount },
    .number("bytes lost with them") { $0.bytesLostWithPorts },
  ])

  private static let serialLines = TextTable<Row>([
    .init("console") { $0.device.label },
    .init("host") { $0.port.isOpenOnHost ? "open" : "closed" },
    .number("to host") { $0.port.bytesToHost },
    .number("to guest") { $0.port.bytesToGuest },
    .number("dropped") { $0.port.bytesDropped },
    .number("discarded") { $0.port.bytesDiscarded },
  ])

  /// A line of titles and one for each port, and the same for queues, devices and serial consoles; none
  /// where there are none.
  static func lines(
    _ reports: [VirtioConsoleDeviceReport], serial: [VirtioConsoleDeviceReport] = []
  ) -> [String] {
    ports.lines(rows(reports)).map { "stats: " + $0 }
      + serialLines.lines(rows(serial)).map { "serial: " + $0 }
      + queues.lines(reports.flatMap(queueRows)).map { "queues: " + $0 }
      + devices.lines(reports.filter(isOutOfTheOrdinary)).map { "devices: " + $0 }
  }

  private static func rows(_ reports: [VirtioConsoleDeviceReport]) -> [Row] {
    reports.flatMap { device in device.ports.map { Row(device: device, port: $0) } }
  }

  private static func queueRows(_ device: VirtioConsoleDeviceReport) -> [QueueRow] {
    let rows =
      [
        QueueRow(device: device, port: nil, name: "receive", queue: device.controlReceiveQueue),
        QueueRow(device: device, port: nil, name: "transmit", queue: device.controlTransmitQueue),
      ]
      + device.ports.flatMap { port in
        [
          QueueRow(device: device, port: port, name: "receive", queue: port.receiveQueue),
          QueueRow(device: device, port: port, name: "transmit", queue: port.transmitQueue),
        ]
      }
    return rows.filter { $0.queue != VirtioQueueReport() }
  }

  private static func isOutOfTheOrdinary(_ device: VirtioConsoleDeviceReport) -> Bool {
    [
      device.faultCount, device.ignoredMessageCount, device.bytesToUnknownPorts,
      device.removedPortCount,
    ].contains { $0 > 0 }
  }
}
