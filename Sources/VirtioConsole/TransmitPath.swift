import Chardev
import Glibc
import Host
import Virtio

/// Guest to host: takes what the guest made available in a port's transmit queue and writes it to
/// the host end, straight from guest memory.
///
/// What the host end of a channel does not take stays in the queue and thereby holds the guest's
/// writer back; nothing is stored here but how much of the first chain has been written. A console
/// is not held back unless its policy is to wait, since its driver spins until the buffer returns
/// (with interrupts off): what its host end does not take goes to a bounded backlog, and what does
/// not fit there is dropped and counted.
struct TransmitPath: ~Copyable {
  /// Bytes of one `writev`: a chain may have 4 GiB, and a client that reads as fast as we write would
  /// keep the call going for all of them, with the device locked.
  static let batchBytes = 256 << 10

  /// Why a turn ended.
  enum Outcome {
    /// The queue is empty. The guest will notify, unless the queue is watched.
    case idle
    /// The host end takes no more now.
    case blocked
    /// Nobody is connected.
    case disconnected
    /// The turn's budget is spent, and there may be more.
    case more
  }

  private let isConsole: Bool
  private let policy: PortPolicy
  /// Bytes of the first available chain that the host end already has.
  private var written = 0
  private var backlog = ConsoleBacklog()
  private var messages = KernelMessageReader()
  private var kernelFault: KernelFault?
  /// A reader was too slow for a console that was to keep everything.
  private(set) var hasLostOutput = false

  init(isConsole: Bool, policy: PortPolicy) {
    self.isConsole = isConsole
    self.policy = policy
  }

  /// What the guest's kernel has told of on this console since the last call; nil where the console
  /// has printed nothing.
  mutating func takeKernelFault() -> KernelFault? { kernelFault.take() }

  /// Bytes of a console that wait for its host end.
  var backlogByteCount: Int { backlog.count }

  /// Forgets the half-written chain, with its queue. What a console has said waits on.
  mutating func reset() { written = 0 }

  /// One turn of at most `budget` bytes, or of the time that `clock` gives. A queue that is to be
  /// watched when it is empty asks for no notification then. Nil for a client that has gone.
  mutating func run(
    _ queue: Virtqueue, to chardev: (any Chardev)?, using list: ChainBatch, budget: Int,
    clock: EventLoop.TurnClock, watched: Bool, statistics: inout PortStatistics,
    driver: any VirtioInterrupt
  ) throws(QueueFault) -> Outcome {
    if let chardev { _ = flushBacklog(to: chardev, clock: clock, statistics: &statistics) }
    queue.disableNotifications()
    var left = budget
    // A packet is one buffer of the guest's.
    let packetLimit = chardev?.limits.packet
    let writeLimit = chardev?.limits.call ?? .max
    repeat {
      list.removeAll()
      let batch = min(Self.batchBytes, left, writeLimit)
      try queue.gather(.readable, into: list, byteLimit: packetLimit == nil ? batch : 1)
      guard !list.chains.isEmpty else {
        guard !watched, try queue.enableNotifications() else { return .idle }
        queue.disableNotifications()
        left -= EventLoop.TurnClock.leastCallBytes
        continue
      }
      let cost = packetLimit == nil ? min(list.cost, batch) : 0
      list.dropFirst(written)
      list.keepFirst(packetLimit ?? batch)
      left -= max(list.byteCount, cost, EventLoop.TurnClock.leastCallBytes)
      let outcome = pass(list, to: chardev, from: queue, statistics: &statistics)
      if queue.publish() { driver.notifyUsedBuffers(queue: queue.index) }
      if let outcome { return outcome }
    } while left > 0 && clock.hasTime()
    return .more
  }

  /// Returns every chain that is available now as if it had been written, and says how many bytes
  /// the host end does not get; at most as many chains as the queue has entries.
  mutating func discard(
    _ queue: Virtqueue, using list: ChainBatch, driver: any VirtioInterrupt
  ) throws(QueueFault) -> Int {
    defer { if queue.publish() { driver.notifyUsedBuffers(queue: queue.index) } }
    var discarded = 0
    for _ in 0..<(try queue.availableCount()) {
      list.removeAll()
      try queue.gather(.readable, into: list, byteLimit: 1)
      guard let chain = list.chains.first else { break }
      // The guest may have made the chain shorter since a part of it was written.
      discarded += max(0, chain.byteCount - written)
      written = 0
      queue.complete(chain, written: 0)
    }
    return discarded
  }

  /// The bytes that are available now and will never be taken: a reset is about to take the queue
  /// away, which counts them as the guest's. A list's worth of chains is counted, which is all that an
  /// honest driver's queue holds.
  func countUntaken(in queue: Virtqueue, using list: ChainBatch) -> Int {
    list.removeAll()
    do { try queue.gather(.readable, into: list, byteLimit: .max) } catch { return 0 }
    for chain in list.chains { queue.countAbandoned(chain) }
    return max(0, list.byteCount - written)
  }

  /// Passes on what waits in the backlog, for as long as there is time; returns whether something is
  /// left.
  mutating func flushBacklog(
    to chardev: any Chardev, clock: EventLoop.TurnClock, statistics: inout PortStatistics
  ) -> Bool {
    while backlog.count > 0 {
      let result = backlog.withSegments(limit: chardev.limits.call) { chardev.write($0) }
      switch result {
      case .transferred(let count):
        statistics.bytesToHost &+= UInt64(count)
        backlog.removeFirst(count)
      case .lost(let count):
        statistics.bytesDropped &+= UInt64(count)
        backlog.removeFirst(count)
      case .wouldBlock, .disconnected: return true
      }
      guard clock.hasTime() else { break }
    }
    return backlog.count > 0
  }

  /// Gives the backlog up; returns how many bytes that were.
  ///
  /// - Parameter hasReader: whether it is a reader's fault that they are still there.
  mutating func dropBacklog(hasReader: Bool) -> Int {
    defer { backlog.removeAll() }
    noteLoss(backlog.count, hasReader: hasReader)
    return backlog.count
  }

  private mutating func noteLoss(_ count: Int, hasReader: Bool) {
    if count > 0, hasReader, policy.overflow != .dropOldest { hasLostOutput = true }
  }

  // MARK: Passing on

  /// Passes on what was gathered; nil when nothing of it is left.
  private mutating func pass(
    _ list: ChainBatch, to chardev: (any Chardev)?, from queue: Virtqueue,
    statistics: inout PortStatistics
  ) -> Outcome? {
    let wanted = list.byteCount
    let isBehind = backlog.count > 0
    let result =
      wanted == 0 || isBehind
      ? .transferred(0) : chardev?.write(list.segments) ?? .disconnected
    var taken = 0
    switch result {
    case .transferred(let count):
      taken = min(count, wanted)
      statistics.bytesToHost &+= UInt64(taken)
    case .lost(let count):
      taken = min(count, wanted)
      statistics.bytesDropped &+= UInt64(taken)
    case .wouldBlock, .disconnected: break
    }
    let isRefused = result == .disconnected
    let hasReader = !isRefused && chardev?.isConnected == true
    let mayDrop = isConsole && (!hasReader || policy.overflow != .wait)
    if isConsole {
      let fault = messages.read(list.segments, count: mayDrop ? wanted : taken)
      kernelFault = max(kernelFault ?? .none, fault)
    }
    if taken < wanted {
      if mayDrop {
        list.dropFirst(taken)
        let dropped = backlog.append(list.segments, overflow: policy.overflow)
        noteLoss(dropped, hasReader: hasReader)
        statistics.bytesDropped &+= UInt64(dropped)
        taken = wanted
      } else if isRefused, policy.onHostClose == .discard {
        statistics.bytesDiscarded &+= UInt64(wanted)
        taken = wanted
      }
    }
    complete(taken, of: list, in: queue)
    guard taken < wanted else { return nil }
    return isRefused ? .disconnected : .blocked
  }

  /// Returns every chain that has been written whole, and remembers where the next one stands.
  private mutating func complete(_ taken: Int, of list: ChainBatch, in queue: Virtqueue) {
    written += taken
    for chain in list.chains {
      guard written >= chain.byteCount else { return }
      written -= chain.byteCount
      queue.complete(chain, written: 0)
    }
    written = 0
  }
}
