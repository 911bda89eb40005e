import Virtio

/// The place of one queue: the queue, while the driver has set one up, and what was counted on all
/// that stood there.
struct QueueSlot {
  /// The driver's queue. It carries the counts of its number's earlier lives on.
  var queue: Virtqueue? { willSet { past = total } }
  private var past = QueueStatistics()
  private var foreign = QueueStatistics()

  private var total: QueueStatistics { queue?.statistics ?? past }

  /// What was counted, but for what was disowned.
  var statistics: QueueStatistics { total - foreign }

  /// What was counted until now is somebody else's.
  mutating func disownStatistics() { foreign = total }
}
