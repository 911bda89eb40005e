import Chardev
import Glibc
import Host
import Virtio

/// Guest to host: takes what the guest made available in a port's transmit queue and writes it to
/// the backend, straight from guest memory.
///
/// What the backend of a channel does not take stays in the queue and thereby holds the guest's
/// writer back; nothing is stored here but how much of the first chain has been written. A console
/// is not held back unless its policy is to wait, since its driver spins until the buffer returns
/// (with interrupts off): what its backend does not take goes to a bounded backlog, and what does
/// not fit there is dropped and counted.
final class TransmitPath: Lane {
  /// Bytes of one `writev`: a chain may have 4 GiB, and a client that reads as fast as we write would
  /// keep the call going for all of them, with the device locked.
  static let batchBytes = 256 << 10
  /// Bytes passed on at the end of the port or of the machine: what a Linux guest's full queue holds.
  private static let farewellBytes = 4 << 20

  var slot = QueueSlot()
  var queue: Virtqueue? { slot.queue }
  var place = LanePlace.idle
  private unowned let port: Port
  /// Bytes of the first available chain that the backend already has.
  private var written = 0
  private var backlog = ConsoleBacklog()
  private var messages = KernelMessageReader()
  private var wantsBackend = false
  /// How its notifications are delayed.
  var delay = NotificationDelay()

  init(_ port: Port) { self.port = port }

  // MARK: Passes

  func run(_ pass: Pass) throws(QueueFault) -> Progress {
    try run(pass, budget: port.policy.turnBytes)
  }

  /// One pass of at most `budget` bytes, or of the time that the clock gives.
  private func run(_ pass: Pass, budget: Int) throws(QueueFault) -> Progress {
    flushBacklog(pass.clock)
    guard let queue = slot.queue else {
      setWantsBackend(backlog.count > 0)
      port.passOnGuestClose(pass.clock)
      return .queueEmpty
    }
    let discarded = port.statistics.bytesDiscarded
    let progress = try transfer(queue, pass, budget: budget)
    if port.statistics.bytesDiscarded != discarded { port.noteDiscardedWrite() }
    setWantsBackend(progress == .backendNotReady || backlog.count > 0)
    setThrottled(progress == .backendNotReady)
    if progress == .queueEmpty || progress == .disconnected { port.passOnGuestClose(pass.clock) }
    return progress
  }

  private func transfer(
    _ queue: Virtqueue, _ pass: Pass, budget: Int
  ) throws(QueueFault) -> Progress {
    let backend = port.client
    let batch = pass.batch
    queue.disableNotifications()
    try delay.begin { () throws(QueueFault) in try queue.availableCount() }
    var left = budget
    // A packet is one buffer of the guest's.
    let packetLimit = backend?.limits.packet
    let writeLimit = backend?.limits.call ?? .max
    repeat {
      batch.removeAll()
      let limit = min(Self.batchBytes, left, writeLimit)
      try queue.gather(.readable, into: batch, byteLimit: packetLimit == nil ? limit : 1)
      guard !batch.chains.isEmpty else {
        guard !pass.mayPoll, try enableNotifications(of: queue, pass) else { return .queueEmpty }
        queue.disableNotifications()
        left -= EventLoop.TurnClock.leastCallBytes
        continue
      }
      let cost = packetLimit == nil ? min(batch.cost, limit) : 0
      batch.dropFirst(written)
      batch.keepFirst(packetLimit ?? limit)
      left -= max(batch.byteCount, cost, EventLoop.TurnClock.leastCallBytes)
      let end = write(batch, to: backend, from: queue)
      queue.publish(to: pass.interrupt)
      if let end { return end }
    } while left > 0 && pass.clock.hasTime()
    return .budgetSpent
  }

  /// Writes what was gathered; nil when nothing of it is left.
  private func write(
    _ batch: ChainBatch, to backend: (any Chardev)?, from queue: Virtqueue
  ) -> Progress? {
    let wanted = batch.byteCount
    let result: TransferResult =
      wanted == 0 || backlog.count > 0
      ? .transferred(0) : backend?.write(batch.segments) ?? .disconnected
    var taken = count(result, of: wanted)
    let isRefused = result == .disconnected
    let hasReader = !isRefused && backend?.isConnected == true
    let mayDrop = port.isConsole && (!hasReader || port.policy.overflow != .wait)
    if port.isConsole {
      port.consolePrinted(messages.read(batch.segments, count: mayDrop ? wanted : taken))
    }
    if taken < wanted {
      if mayDrop {
        batch.dropFirst(taken)
        drop(backlog.append(batch.segments, overflow: port.policy.overflow), hasReader: hasReader)
        taken = wanted
      } else if isRefused, port.policy.onHostClose == .discard {
        port.statistics.bytesDiscarded &+= UInt64(wanted)
        taken = wanted
      }
    }
    complete(taken, of: batch, in: queue)
    guard taken < wanted else { return nil }
    return isRefused ? .disconnected : .backendNotReady
  }

  /// Counts what became of `wanted` bytes; returns how many of them are done with.
  private func count(_ result: TransferResult, of wanted: Int) -> Int {
    switch result {
    case .transferred(let count):
      port.statistics.bytesToHost &+= UInt64(min(count, wanted))
      return min(count, wanted)
    case .lost(let count):
      port.statistics.bytesDropped &+= UInt64(min(count, wanted))
      return min(count, wanted)
    case .wouldBlock, .disconnected: return 0
    }
  }

  /// Returns every chain that has been written whole, and remembers where the next one stands.
  private func complete(_ taken: Int, of batch: ChainBatch, in queue: Virtqueue) {
    written += taken
    for chain in batch.chains {
      guard written >= chain.byteCount else { return }
      written -= chain.byteCount
      queue.complete(chain, written: 0)
    }
    written = 0
  }

  // MARK: Notifications

  /// Returns whether a buffer has come by now. A console's driver spins until its buffer returns, and
  /// always notifies.
  private func enableNotifications(of queue: Virtqueue, _ pass: Pass) throws(QueueFault) -> Bool {
    guard pass.ringWatch == .severalEntries, !port.isConsole else {
      return try queue.enableNotifications()
    }
    let hasMore = try queue.enableNotifications(after: delay.ranEmpty(at: MonotonicClock.now()))
    if delay.isDelayed, !hasMore { port.postLook() }
    return hasMore
  }

  /// The guest has been given bytes, which it may answer.
  func guestReceived() { delay.endStream() }

  // MARK: The backend's readiness

  /// Whether the guest has handed over bytes that a connected client may still take.
  var hasUnsentBytes: Bool {
    port.statistics.isThrottled || place == .queued || port.backend.outputStatus.hasUnsentBytes
      || backlog.count > 0 && port.backend.isConnected
  }

  private func setWantsBackend(_ wanted: Bool) {
    guard wanted != wantsBackend else { return }
    wantsBackend = wanted
    port.backend.setInterest(.writable, wanted)
  }

  private func setThrottled(_ isThrottled: Bool) {
    guard isThrottled != port.statistics.isThrottled else { return }
    port.statistics.isThrottled = isThrottled
    if isThrottled { port.statistics.throttleCount &+= 1 }
    port.note(isThrottled ? "throttled" : "no longer throttled")
  }

  // MARK: A console's backlog

  /// Passes on what a console has said, for as long as there is time.
  func flushBacklog(_ clock: EventLoop.TurnClock) {
    guard backlog.count > 0, let backend = port.client else { return }
    repeat {
      let result = backlog.withSegments(limit: backend.limits.call) { backend.write($0) }
      let done = count(result, of: backlog.count)
      guard done > 0 else { return }
      backlog.removeFirst(done)
    } while backlog.count > 0 && clock.hasTime()
  }

  /// While no driver is there, or its memory is left alone, only the client's side moves.
  func runWithoutDriver(_ clock: EventLoop.TurnClock) {
    flushBacklog(clock)
    setWantsBackend(backlog.count > 0)
    if slot.queue == nil { port.passOnGuestClose(clock) }
  }

  private func drop(_ count: Int, hasReader: Bool) {
    port.statistics.bytesDropped &+= UInt64(count)
    if count > 0, hasReader, port.policy.overflow != .dropOldest {
      port.statistics.hasLostOutput = true
    }
  }

  // MARK: Queues that come and go

  /// The driver has taken the queue away, or set up another. Bytes in the old one that the backend has
  /// not taken are counted, and the half-written chain is forgotten with it.
  func replaceQueue(by queue: Virtqueue?, using batch: ChainBatch) {
    if let queue = slot.queue { countLost(untakenCount(in: queue, using: batch)) }
    written = 0
    slot.queue = queue
    delay.endStream()
    port.statistics.isThrottled = false
  }

  /// The bytes that are available now and will never be taken, since a reset takes the queue away. They
  /// count as sent by the guest. One batch is looked at, which is all an honest driver's queue holds.
  private func untakenCount(in queue: Virtqueue, using batch: ChainBatch) -> Int {
    batch.removeAll()
    do { try queue.gather(.readable, into: batch, byteLimit: .max) } catch { return 0 }
    for chain in batch.chains { queue.countAbandoned(chain) }
    return max(0, batch.byteCount - written)
  }

  /// Returns every chain that is available now as if it had been written, and counts its bytes as lost;
  /// at most as many chains as the queue has entries.
  func discard(_ pass: Pass) throws(QueueFault) {
    guard let queue = slot.queue else { return }
    var discarded = 0
    defer {
      queue.publish(to: pass.interrupt)
      countLost(discarded)
    }
    for _ in 0..<(try queue.availableCount()) {
      guard let chain = try queue.next(.readable, using: pass.batch) else { break }
      // The guest may have made the chain shorter since a part of it was written.
      discarded += max(0, chain.byteCount - written)
      written = 0
      queue.complete(chain, written: 0)
    }
    setThrottled(false)
  }

  private func countLost(_ count: Int) {
    if port.isConsole {
      port.statistics.bytesDropped &+= UInt64(count)
    } else {
      port.statistics.bytesDiscarded &+= UInt64(count)
    }
  }

  // MARK: The end

  /// The last pass in the guest's life, and a long one; returns whether something is left that a
  /// connected client may still take.
  func flush(_ pass: Pass) throws(QueueFault) -> Bool {
    let progress = try run(pass, budget: Self.farewellBytes)
    return progress == .budgetSpent || hasUnsentBytes
  }

  /// The port is being removed: passes on what the client takes, gives back the rest.
  func drainBeforeRemoval(_ pass: Pass) throws(QueueFault) {
    guard slot.queue != nil else { return }
    _ = try run(pass, budget: Self.farewellBytes)
    try discard(pass)
  }

  /// The port's life ends: what waits in a console's backlog is dropped.
  func end(_ clock: EventLoop.TurnClock) {
    flushBacklog(clock)
    drop(backlog.count, hasReader: port.backend.isConnected)
    backlog.removeAll()
  }

  /// The port lets its backend go.
  func forgetBackend() { setWantsBackend(false) }
}
