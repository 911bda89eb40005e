import Chardev
import Host
import Virtio

/// Host to guest: reads from the backend straight into the buffers the guest has provided in a port's
/// receive queue.
///
/// Nothing is read that has no place in the guest: without buffers the bytes wait in the host's
/// socket, and the client with them.
final class ReceivePath: Lane {
  /// Buffers offered to the first read of a pass; a client that fills them gets larger reads.
  private static let firstBatchBytes = 64 << 10
  /// Buffers offered to one `readv` at most.
  private static let batchBytes = 512 << 10

  var slot = QueueSlot()
  var queue: Virtqueue? { slot.queue }
  var place = LanePlace.idle
  private unowned let port: Port
  private var wantsBackend = false

  init(_ port: Port) { self.port = port }

  func run(_ pass: Pass) throws(QueueFault) -> Progress {
    guard port.guestListens, let backend = port.client, backend.isConnected, let queue = slot.queue
    else {
      runWithoutGuest(pass.clock)
      return .backendNotReady
    }
    let progress = try transfer(queue, from: backend, pass)
    switch progress {
    case .backendNotReady, .budgetSpent: setWantsBackend(true)
    // Buffers may come any moment; only if bytes come before them the backend has to wait.
    case .queueEmpty: setWantsBackend(pass.mayPoll && (pass.hasPolled || place != .polled))
    case .disconnected: setWantsBackend(false)
    }
    return progress
  }

  private func transfer(
    _ queue: Virtqueue, from backend: any Chardev, _ pass: Pass
  ) throws(QueueFault) -> Progress {
    let batch = pass.batch
    queue.disableNotifications()
    var left = port.policy.turnBytes
    var limit = Self.firstBatchBytes
    repeat {
      batch.removeAll()
      limit = min(limit, left)
      try queue.gather(.writable, into: batch, byteLimit: limit)
      if batch.byteCount == 0 {
        left -= max(batch.cost, EventLoop.TurnClock.leastCallBytes)
        // Chains without a single byte would otherwise be looked at for ever.
        for chain in batch.chains { queue.complete(chain, written: 0) }
        queue.publish(to: pass.interrupt)
        guard !pass.mayPoll, try queue.enableNotifications() else { return .queueEmpty }
        queue.disableNotifications()
        continue
      }
      batch.keepFirst(limit)
      switch backend.read(into: batch.segments) {
      case .wouldBlock, .lost: return .backendNotReady
      case .disconnected: return .disconnected
      case .transferred(let count):
        deliver(min(count, batch.byteCount), in: batch, to: queue)
        queue.publish(to: pass.interrupt)
        port.statistics.bytesToGuest &+= UInt64(count)
        port.transmit.guestReceived()
        guard count >= batch.byteCount else { return .backendNotReady }
        left -= max(count, EventLoop.TurnClock.leastCallBytes)
        limit = Self.batchBytes
      }
    } while left > 0 && pass.clock.hasTime()
    return .budgetSpent
  }

  /// Returns the chains that now hold `count` bytes, each filled before the next is begun.
  private func deliver(_ count: Int, in batch: ChainBatch, to queue: Virtqueue) {
    var left = count
    for chain in batch.chains where left > 0 {
      let filled = min(left, chain.byteCount)
      queue.complete(chain, written: UInt32(clamping: filled))
      left -= filled
    }
  }

  /// While the guest does not listen, bytes wait in the backend, or are thrown away.
  func runWithoutGuest(_ clock: EventLoop.TurnClock) {
    let drops = port.policy.early == .drop && !port.guestListens
    if drops, port.backend.isConnected { port.discardInput(clock) }
    setWantsBackend(drops)
  }

  /// What a client sends from now on waits for buffers.
  func stopPolling() throws(QueueFault) -> Bool {
    setWantsBackend(false)
    return try slot.queue?.enableNotifications() ?? false
  }

  /// The port lets its backend go.
  func forgetBackend() { setWantsBackend(false) }

  private func setWantsBackend(_ wanted: Bool) {
    guard wanted != wantsBackend else { return }
    wantsBackend = wanted
    port.backend.setInterest(.readable, wanted)
  }
}
