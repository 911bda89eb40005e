/// What happened on one queue since the machine was made, over all resets of the guest.
public struct QueueStatistics: Equatable, Sendable {
  /// Notifications from the driver that reached the device.
  public var notificationCount: UInt64 = 0
  /// Used-buffer notifications that the driver wanted and got.
  public var interruptCount: UInt64 = 0
  /// Chains returned to the driver, or to be read and taken away by its reset.
  public var bufferCount: UInt64 = 0
  /// Bytes in these chains: to be read, or written into them.
  public var byteCount: UInt64 = 0
  /// How often the driver broke the queue's rules.
  public var faultCount: UInt64 = 0

  /// A queue on which nothing happened.
  public init() {}

  /// Both together.
  package static func + (first: QueueStatistics, second: QueueStatistics) -> QueueStatistics {
    first.merging(second, &+)
  }

  /// What has been counted since `earlier`, which was counted on the same queue.
  package static func - (later: QueueStatistics, earlier: QueueStatistics) -> QueueStatistics {
    later.merging(earlier, &-)
  }

  private func merging(
    _ other: QueueStatistics, _ combine: (UInt64, UInt64) -> UInt64
  ) -> QueueStatistics {
    var result = self
    for count in [
      \QueueStatistics.notificationCount, \.interruptCount, \.bufferCount, \.byteCount,
      \.faultCount,
    ] {
      result[keyPath: count] = combine(self[keyPath: count], other[keyPath: count])
    }
    return result
  }
}
