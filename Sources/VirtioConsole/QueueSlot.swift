import Virtio

/// The place of one queue: the queue, while the driver has set one up, and what was counted on all
/// that stood there.
struct QueueSlot {
  /// The driver's queue. It carries the counts of its number's earlier lives on.
  var queue: Virtqueue? { willSet { past = total } }
  private var past = QueueCounters()
  private var foreign = QueueCounters()

  private var total: QueueCounters { queue?.counters ?? past }

  /// What was counted, but for what was disowned.
  var counters: QueueCounters { total.since(foreign) }

  /// What was counted until now is somebody else's.
  mutating func disownCounters() { foreign = total }
}
