import Chardev
import Glibc
import Host
import Virtio

/// Host to guest: reads from the host end straight into the buffers the guest has provided in a
/// port's receive queue.
///
/// Nothing is read that has no place in the guest: without buffers the bytes wait in the host's
/// socket, and the client with them.
struct ReceivePath {
  /// Buffers offered to the first read of a turn; a client that fills them gets larger reads.
  static let firstBatchBytes = 64 << 10
  /// Buffers offered to one `readv` at most.
  static let batchBytes = 512 << 10

  /// Why a turn ended.
  enum Outcome {
    /// The host end has no more bytes now.
    case drained
    /// The guest has no more buffers. It will notify of new ones, unless the queue is watched.
    case starved
    /// Nobody is connected.
    case disconnected
    /// The turn's budget is spent, and there may be more.
    case more
  }

  /// One turn of about `budget` bytes, or of the time that `clock` gives. A queue that is to be
  /// watched when it is empty asks for no notification then.
  func run(
    _ queue: Virtqueue, from chardev: any Chardev, using list: ChainBatch, budget: Int,
    clock: EventLoop.TurnClock, watched: Bool, statistics: inout PortStatistics,
    driver: any VirtioInterrupt
  ) throws(QueueFault) -> Outcome {
    queue.disableNotifications()
    var left = budget
    var batch = Self.firstBatchBytes
    repeat {
      list.removeAll()
      batch = min(batch, left)
      try queue.gather(.writable, into: list, byteLimit: batch)
      if list.byteCount == 0 {
        left -= max(list.cost, EventLoop.TurnClock.leastCallBytes)
        returnEmptyChains(list, to: queue, driver: driver)
        guard !watched, try queue.enableNotifications() else { return .starved }
        queue.disableNotifications()
        continue
      }
      list.keepFirst(batch)
      switch chardev.read(into: list.segments) {
      case .wouldBlock, .lost: return .drained
      case .disconnected: return .disconnected
      case .transferred(let count):
        deliver(min(count, list.byteCount), in: list, to: queue)
        if queue.publish() { driver.notifyUsedBuffers(queue: queue.index) }
        statistics.bytesToGuest &+= UInt64(count)
        guard count >= list.byteCount else { return .drained }
        left -= max(count, EventLoop.TurnClock.leastCallBytes)
        batch = Self.batchBytes
      }
    } while left > 0 && clock.hasTime()
    return .more
  }

  /// Returns the chains that now hold `count` bytes, each filled before the next is begun.
  private func deliver(_ count: Int, in list: ChainBatch, to queue: Virtqueue) {
    var left = count
    for chain in list.chains where left > 0 {
      let filled = min(left, chain.byteCount)
      queue.complete(chain, written: UInt32(clamping: filled))
      left -= filled
    }
  }

  /// Chains without a single byte would otherwise be looked at for ever.
  private func returnEmptyChains(
    _ list: ChainBatch, to queue: Virtqueue, driver: any VirtioInterrupt
  ) {
    for chain in list.chains { queue.complete(chain, written: 0) }
    if queue.publish() { driver.notifyUsedBuffers(queue: queue.index) }
  }
}
