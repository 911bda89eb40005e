import Virtio

/// What happened on a device besides what its ports count.
package struct DeviceCounters: Equatable, Sendable {
  /// Control messages that meant nothing: too short, unknown, or for a port that is not there.
  package var ignoredMessages: UInt64 = 0
  /// Bytes the guest wrote to ports that are not there.
  package var bytesToUnknownPorts: UInt64 = 0
  /// The queue of messages to the guest, over all drivers' lives.
  package var controlReceiveQueue = QueueCounters()
  /// The queue of messages from the guest.
  package var controlTransmitQueue = QueueCounters()

  package init() {}
}

extension ConsoleDevice {
  /// What happened since the device was made. On any thread.
  package var counters: DeviceCounters {
    lock.withLock {
      var counters = DeviceCounters()
      counters.ignoredMessages = ignoredMessages
      counters.bytesToUnknownPorts = bytesToUnknownPorts
      counters.controlReceiveQueue = control.receiveSlot.counters
      counters.controlTransmitQueue = control.transmitSlot.counters
      return counters
    }
  }
}
