import Chardev
import Glibc
import Virtio

/// Guest to host: takes what the guest made available in a port's transmit queue and writes it to
/// the host end, straight from guest memory.
///
/// What the host end does not take stays in the queue and thereby holds the guest's writer back;
/// nothing is stored here but how much of the first chain has been written. A console is never
/// held back, since its driver spins until the buffer returns (with interrupts off): what its host
/// end does not take is dropped and counted.
struct TransmitPath {
  /// Bytes of one `writev`: a chain may have 4 GiB, and a client that reads as fast as we write would
  /// keep the call going for all of them, with the device locked.
  static let batchBytes = 256 << 10

  /// Why a turn ended.
  enum Outcome {
    /// The queue is empty; the guest will notify.
    case idle
    /// The host end takes no more now.
    case blocked
    /// Nobody is connected.
    case disconnected
    /// The turn's budget is spent, and there may be more.
    case more
  }

  let holdsBack: Bool
  /// Bytes of the first available chain that the host end already has.
  private var written = 0

  init(holdsBack: Bool) { self.holdsBack = holdsBack }

  /// Forgets the half-written chain, with its queue.
  mutating func reset() { written = 0 }

  /// One turn of at most `budget` bytes.
  mutating func run(
    _ queue: Virtqueue, to chardev: any Chardev, using list: SegmentList, budget: Int,
    counters: inout PortCounters, driver: any DriverNotifier
  ) throws(QueueFault) -> Outcome {
    queue.disableNotifications()
    var left = budget
    while left > 0 {
      list.removeAll()
      try queue.gather(.readable, into: list, byteLimit: Self.batchBytes)
      if list.chains.isEmpty {
        guard try queue.enableNotifications() else { return .idle }
        queue.disableNotifications()
        continue
      }
      list.dropFirst(written)
      list.keepFirst(Self.batchBytes)
      left -= max(list.byteCount, 1)
      let outcome = write(queue, to: chardev, from: list, counters: &counters)
      if queue.publish() { driver.notifyUsedBuffers(queue: queue.index) }
      if let outcome { return outcome }
    }
    return .more
  }

  /// Writes what was gathered; nil when all of it went.
  private mutating func write(
    _ queue: Virtqueue, to chardev: any Chardev, from list: SegmentList,
    counters: inout PortCounters
  ) -> Outcome? {
    let wanted = list.byteCount
    var taken = 0
    var outcome: Outcome?
    if wanted > 0 {
      switch chardev.write(list.segments) {
      case .transferred(let count):
        taken = min(count, wanted)
        counters.bytesToHost &+= UInt64(taken)
        outcome = taken < wanted ? .blocked : nil
      case .wouldBlock: outcome = .blocked
      case .disconnected: outcome = .disconnected
      }
    }
    if !holdsBack, taken < wanted {
      counters.bytesDropped &+= UInt64(wanted - taken)
      taken = wanted
      outcome = nil
    }
    complete(taken, of: list, in: queue)
    if outcome == .blocked { counters.throttles &+= 1 }
    return outcome
  }

  /// Returns every chain that has been written whole, and remembers where the next one stands.
  private mutating func complete(_ taken: Int, of list: SegmentList, in queue: Virtqueue) {
    written += taken
    for chain in list.chains {
      guard written >= chain.byteCount else { return }
      written -= chain.byteCount
      queue.complete(chain, written: 0)
    }
    written = 0
  }
}
