import Virtio

/// What happened on one queue since the machine was made, over all resets of the guest.
public struct VirtioQueueReport: Equatable, Sendable {
  /// Notifications from the guest's driver that reached the device.
  public var notificationCount: UInt64 = 0
  /// Notifications the driver wanted of buffers used, and got.
  public var interruptCount: UInt64 = 0
  /// Buffers returned to the driver.
  public var bufferCount: UInt64 = 0
  /// Bytes in them: read, or written into them.
  public var byteCount: UInt64 = 0
  /// How often the driver broke the queue's rules.
  public var faultCount: UInt64 = 0

  /// A queue on which nothing happened.
  public init() {}

  init(_ counters: QueueCounters) {
    notificationCount = counters.notifications
    interruptCount = counters.interrupts
    bufferCount = counters.buffers
    byteCount = counters.bytes
    faultCount = counters.faults
  }
}
