import Machine

/// What one virtio-serial device is doing, and what happened on it since the machine was made, over
/// all resets of the guest.
public struct VirtioConsoleDeviceReport: Equatable, Sendable {
  /// The device's id, or `virtio-serial` and its place among the devices, from 0 on.
  public var label: String

  /// Its ports, by ascending number.
  public var ports: [VirtioConsolePortReport]

  /// How often the driver broke a rule, so that the device needed a reset.
  public var faultCount: UInt64 = 0

  /// Control messages of the guest's that meant nothing.
  public var ignoredMessageCount: UInt64 = 0

  /// Bytes the guest wrote to ports that were not there.
  public var bytesToAbsentPorts: UInt64 = 0

  /// Ports that were removed.
  public var removedPortCount: UInt64 = 0

  /// Bytes of removed ports that were dropped or discarded.
  public var bytesLostWithPorts: UInt64 = 0

  /// The queue of control messages to the guest.
  public var controlReceiveQueue = VirtioQueueReport()

  /// The queue of control messages from the guest.
  public var controlTransmitQueue = VirtioQueueReport()

  /// Makes a report of its parts.
  public init(label: String, ports: [VirtioConsolePortReport]) {
    self.label = label
    self.ports = ports
  }
}

extension VirtioConsoleDeviceReport {
  /// Takes in what the machine tells of the device.
  mutating func add(_ report: DeviceReport) {
    faultCount = report.faults
    ignoredMessageCount = report.counters.ignoredMessages
    bytesToAbsentPorts = report.counters.bytesToUnknownPorts
    removedPortCount = report.removedPorts
    bytesLostWithPorts = report.bytesLostWithPorts
    controlReceiveQueue = VirtioQueueReport(report.counters.controlReceiveQueue)
    controlTransmitQueue = VirtioQueueReport(report.counters.controlTransmitQueue)
  }
}

extension VirtioConsoleDeviceConfiguration {
  /// What the device is called in reports.
  func label(index: Int) -> String { id ?? "virtio-serial\(index)" }
}
