import Control
import Host
import SwiftVM

/// What a machine's devices, ports and queues are doing, as lines of text in columns.
enum StatisticsTable {
  private typealias Device = VirtioConsoleDeviceReport
  private typealias Port = (device: VirtioConsoleDeviceReport, report: VirtioConsolePortReport)
  /// A queue of a port, or a control queue.
  private typealias Queue = (device: String, port: String, name: String, report: VirtioQueueReport)

  private static let ports = TextTable<Port>([
    .init("device", \.device.label),
    .right("port", \.report.number),
    .init("kind") { $0.report.isConsole ? "console" : "channel" },
    .init("name") { PlainText.shortened($0.report.name ?? "-") },
    .init("guest") { openness($0.report.isOpenInGuest) },
    .init("host") { $0.report.isThrottled ? "behind" : openness($0.report.isOpenOnHost) },
    .right("to host", \.report.bytesToHost),
    .right("to guest", \.report.bytesToGuest),
    .right("dropped", \.report.bytesDropped),
    .right("discarded", \.report.bytesDiscarded),
    .right("waits", \.report.throttleCount),
    .right("clients", \.report.connectionCount),
  ])

  private static let queues = TextTable<Queue>([
    .init("device", \.device),
    .right("port", \.port),
    .init("queue", \.name),
    .right("buffers", \.report.bufferCount),
    .right("bytes", \.report.byteCount),
    .right("notifications", \.report.notificationCount),
    .right("interrupts", \.report.interruptCount),
    .right("faults", \.report.faultCount),
  ])

  private static let devices = TextTable<Device>([
    .init("device", \.label),
    .right("faults", \.faultCount),
    .right("messages ignored", \.ignoredMessageCount),
    .right("bytes to no port", \.bytesToUnknownPorts),
    .right("ports removed", \.removedPortCount),
    .right("bytes lost with them", \.bytesLostWithPorts),
  ])

  private static let serialLines = TextTable<Port>([
    .init("console", \.device.label),
    .init("host") { openness($0.report.isOpenOnHost) },
    .right("to host", \.report.bytesToHost),
    .right("to guest", \.report.bytesToGuest),
    .right("dropped", \.report.bytesDropped),
    .right("discarded", \.report.bytesDiscarded),
  ])

  /// The reports for `--stats` and SIGUSR1: the ports; the consoles that are no virtio devices; the queues
  /// on which something happened; the devices on which something out of the ordinary did.
  static func lines(
    _ reports: [VirtioConsoleDeviceReport], serial: [VirtioConsoleDeviceReport] = []
  ) -> [String] {
    let unusual = reports.filter { device in
      [
        device.faultCount, device.ignoredMessageCount, device.bytesToUnknownPorts,
        device.removedPortCount,
      ].contains { $0 > 0 }
    }
    return ports.lines(reports.flatMap(portRows), prefix: "stats: ")
      + serialLines.lines(serial.flatMap(portRows), prefix: "serial: ")
      + queues.lines(reports.flatMap(queueRows), prefix: "queues: ")
      + devices.lines(unusual, prefix: "devices: ")
  }

  private static func portRows(_ device: Device) -> [Port] { device.ports.map { (device, $0) } }

  private static func queueRows(_ device: Device) -> [Queue] {
    let control = [("control", device.controlReceiveQueue, device.controlTransmitQueue)]
    let pairs = control + device.ports.map { ("\($0.number)", $0.receiveQueue, $0.transmitQueue) }
    return pairs.flatMap { (port, receive, transmit) -> [Queue] in
      [(device.label, port, "receive", receive), (device.label, port, "transmit", transmit)]
    }.filter { $0.report != VirtioQueueReport() }
  }

  private static func openness(_ isOpen: Bool?) -> String { isOpen == true ? "open" : "closed" }

  // MARK: Of a running machine

  private static let remotePorts = TextTable<JSONValue>([
    .init("device") { text($0, "device") },
    .right("port") { number($0, "nr") },
    .init("kind") { $0["console"]?.bool == true ? "console" : "channel" },
    .init("id") { text($0, "id") },
    .init("name") { text($0, "name") },
    .init("guest") { openness($0["guest-open"]?.bool) },
    .init("host") {
      $0["throttled"]?.bool == true ? "behind" : openness($0["host-open"]?.bool)
    },
    .right("to host") { number($0, "bytes-to-host") },
    .right("to guest") { number($0, "bytes-to-guest") },
    .right("dropped") { number($0, "bytes-dropped") },
    .right("discarded") { number($0, "bytes-discarded") },
    .init("backend") { text($0, "filename") },
  ])

  /// The ports of a running machine, for `swiftvm ports`.
  ///
  /// - Parameter ports: the value of `x-swiftvm-query-ports`.
  static func lines(_ ports: JSONValue) -> [String] { remotePorts.lines(ports.elements ?? []) }

  private static func text(_ port: JSONValue, _ name: String) -> String {
    PlainText.shortened(port[name]?.text ?? "-")
  }

  private static func number(_ port: JSONValue, _ name: String) -> UInt64 {
    UInt64(clamping: port[name]?.integer ?? 0)
  }
}
