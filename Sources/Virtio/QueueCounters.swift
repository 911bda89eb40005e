/// What happened on one queue since its machine was made; resets do not clear it.
package struct QueueCounters: Equatable, Sendable {
  /// Notifications from the driver that reached the device.
  package var notifications: UInt64 = 0
  /// Used-buffer notifications the driver wanted and got.
  package var interrupts: UInt64 = 0
  /// Chains returned to the driver, or to be read and taken away by its reset.
  package var buffers: UInt64 = 0
  /// Bytes in these chains: to be read, or written into them.
  package var bytes: UInt64 = 0
  /// How often the driver broke the queue.
  package var faults: UInt64 = 0

  package init() {}

  /// What has come since then.
  package func since(_ earlier: QueueCounters) -> QueueCounters {
    var difference = self
    difference.notifications &-= earlier.notifications
    difference.interrupts &-= earlier.interrupts
    difference.buffers &-= earlier.buffers
    difference.bytes &-= earlier.bytes
    difference.faults &-= earlier.faults
    return difference
  }
}
