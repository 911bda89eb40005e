import VirtioConsole

/// What happened on a virtio-serial device, besides what its ports count.
package struct DeviceReport: Equatable, Sendable {
  /// What the device counted.
  package var counters = DeviceCounters()
  /// How often its driver broke a rule, so that it needed a reset.
  package var faults: UInt64 = 0
  /// Ports that were removed.
  package var removedPorts: UInt64 = 0
  /// Bytes of theirs that nobody got.
  package var bytesLostWithPorts: UInt64 = 0

  /// Both together.
  static func + (first: DeviceReport, second: DeviceReport) -> DeviceReport {
    var sum = first
    sum.counters.ignoredMessages &+= second.counters.ignoredMessages
    sum.counters.bytesToUnknownPorts &+= second.counters.bytesToUnknownPorts
    sum.counters.controlReceiveQueue =
      sum.counters.controlReceiveQueue
      + second.counters.controlReceiveQueue
    sum.counters.controlTransmitQueue =
      sum.counters.controlTransmitQueue
      + second.counters.controlTransmitQueue
    sum.faults &+= second.faults
    sum.removedPorts &+= second.removedPorts
    sum.bytesLostWithPorts &+= second.bytesLostWithPorts
    return sum
  }
}
