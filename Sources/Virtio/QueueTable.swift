/// The queues of one device, by number: what the driver set for each, and which it enabled.
///
/// Sparse, since a device may have 65534 queues: one that the driver never touched takes up nothing.
struct QueueTable {
  /// How many queues the device has.
  let count: Int
  private let maximumSize: (Int) -> UInt16
  private var configurations: [Int: QueueConfiguration] = [:]
  private var resetWhileLive: Set<Int> = []
  /// Of the queues that were in use and are no more.
  private var past: [Int: QueueStatistics] = [:]

  /// The queues in use.
  private(set) var enabled: [Int: Virtqueue] = [:]

  init(count: Int, maximumSize: @escaping (Int) -> UInt16) {
    self.count = count
    self.maximumSize = maximumSize
  }

  /// What is set for queue `index`, or nil where there is no such queue.
  func configuration(of index: Int) -> QueueConfiguration? {
    guard index >= 0, index < count else { return nil }
    return configurations[index] ?? QueueConfiguration(maximumSize: maximumSize(index))
  }

  mutating func configure(_ index: Int, _ configuration: QueueConfiguration) {
    configurations[index] = configuration
  }

  /// Whether queue `index` was in use, was reset by itself, and has not been enabled again.
  func wasReset(_ index: Int) -> Bool { resetWhileLive.contains(index) }

  mutating func enable(_ index: Int, _ queue: Virtqueue) {
    enabled[index] = queue
    resetWhileLive.remove(index)
  }

  /// What happened on queue `index` so far, in all its lives.
  func statistics(of index: Int) -> QueueStatistics? {
    enabled[index]?.statistics ?? past[index]
  }

  /// The driver broke queue `index` before it was in use.
  mutating func countFault(_ index: Int) {
    past[index, default: QueueStatistics()].faultCount &+= 1
  }

  /// Back to the queue's defaults, leaving the others alone (virtio 1.2, 2.6.1).
  mutating func reset(_ index: Int) {
    past[index] = statistics(of: index)
    enabled[index] = nil
    configurations[index] = nil
    resetWhileLive.insert(index)
  }

  /// As after power-on, but for the counters.
  mutating func reset() {
    for (index, queue) in enabled { past[index] = queue.statistics }
    enabled = [:]
    configurations = [:]
    resetWhileLive = []
  }
}
