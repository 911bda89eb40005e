import Host
import Virtio

/// One direction of a port: its queue, and its place in the device's schedule.
///
/// Belongs to the device's lock; passes are made on the I/O thread only.
protocol Lane: AnyObject {
  var slot: QueueSlot { get set }
  /// The driver's queue; a look at it copies no statistics.
  var queue: Virtqueue? { get }
  var place: LanePlace { get set }
  /// Moves bytes for as long as the pass allows: a bounded number in a bounded time, so that no port
  /// keeps the others waiting.
  func run(_ pass: Pass) throws(QueueFault) -> Progress
  /// Asks for notifications of its polled queue again; returns whether something has come by now.
  func stopPolling() throws(QueueFault) -> Bool
}

extension Lane {
  /// Whether the guest has made buffers available.
  var hasArrivals: Bool {
    get throws(QueueFault) { try queue?.hasAvailable ?? false }
  }

  func stopPolling() throws(QueueFault) -> Bool {
    try queue?.enableNotifications() ?? false
  }
}

/// Where a lane stands in its device's schedule.
enum LanePlace {
  /// An event begins its next pass.
  case idle
  /// It has more to do, and waits for its turn.
  case queued
  /// Its queue is empty and asks for no notification: the event loop looks at it.
  case polled
}

/// What one visit to a queue needs, made when the device's lock is taken.
struct Pass {
  /// Where chains are gathered.
  let batch: ChainBatch
  let interrupt: any VirtioInterrupt
  /// The event loop's, which says whether a pass may go on.
  let clock: EventLoop.TurnClock
  /// How an empty queue is watched.
  let ringWatch: RingWatch
  /// Polling has found buffers in the lane's queue.
  var hasPolled = false

  /// An empty queue is polled; otherwise it asks for a notification.
  var mayPoll: Bool { ringWatch == .polling }
}

/// How a pass ended.
enum Progress {
  /// The guest has no more buffers there.
  case queueEmpty
  /// The backend takes no more bytes now, or has no more.
  case backendNotReady
  /// No client is connected.
  case disconnected
  /// The budget is spent, and there may be more.
  case budgetSpent
}

/// The place of one queue: the queue, while the driver has set one up, and what was counted on all
/// that stood there.
struct QueueSlot {
  /// The driver's queue. It carries on what was counted on its number before.
  var queue: Virtqueue? { willSet { past = total } }
  private var past = QueueStatistics()
  private var excluded = QueueStatistics()

  private var total: QueueStatistics { queue?.statistics ?? past }

  /// What was counted for the queue's port.
  var statistics: QueueStatistics { total - excluded }

  /// Excludes what was counted for the queue's previous port.
  mutating func excludePast() { excluded = total }
}

/// What a device has to do and there was no time for: each lane, and each queue without a port, at most
/// once, in the order in which they came. So none waits longer than one pass of each of the others, and
/// nothing grows, however often the guest notifies.
struct Schedule {
  /// One piece of work.
  enum Job {
    case lane(any Lane)
    /// The buffers of a queue that belongs to no port are to be returned.
    case unassignedQueue(Int)
  }

  /// The control channel has more to do. It goes before all ports.
  var wantsControl = false
  /// The next job is on its way through the event loop.
  var isPosted = false
  /// The lanes that the event loop looks at.
  private(set) var polled: [any Lane] = []

  private var jobs = Fifo<Job>()
  private var unassignedQueues: Set<Int> = []

  var isEmpty: Bool { jobs.isEmpty && !wantsControl }

  /// The lane waits for its turn.
  mutating func enqueue(_ lane: any Lane) {
    guard lane.place != .queued else { return }
    rest(lane)
    lane.place = .queued
    jobs.append(.lane(lane))
  }

  mutating func enqueue(unassignedQueue index: Int) {
    if unassignedQueues.insert(index).inserted { jobs.append(.unassignedQueue(index)) }
  }

  /// The event loop is to look at the lane.
  mutating func poll(_ lane: any Lane) {
    guard lane.place == .idle else { return }
    lane.place = .polled
    polled.append(lane)
  }

  /// The lane, which is not queued, waits for an event.
  mutating func rest(_ lane: any Lane) {
    guard lane.place == .polled else { return }
    lane.place = .idle
    polled.removeAll { $0 === lane }
  }

  /// Takes the next job out.
  mutating func next() -> Job? {
    let job = jobs.removeFirst()
    switch job {
    case .lane(let lane): lane.place = .idle
    case .unassignedQueue(let index): unassignedQueues.remove(index)
    case nil: break
    }
    return job
  }

  /// The lane's port is removed.
  mutating func remove(_ lane: any Lane) {
    rest(lane)
    guard lane.place == .queued else { return }
    lane.place = .idle
    jobs.removeAll { if case .lane(let other) = $0 { other === lane } else { false } }
  }

  /// Ends all polling; returns what was polled.
  mutating func endPolling() -> [any Lane] {
    defer { polled = [] }
    for lane in polled { lane.place = .idle }
    return polled
  }

  /// The driver is gone, and the ports' queues with it.
  mutating func removeAll() {
    _ = endPolling()
    while next() != nil {}
    wantsControl = false
  }
}

/// First in, first out, at the same average cost per element however many there are; holds room for
/// about as many elements as are waiting.
struct Fifo<Element> {
  private var storage: [Element?] = []
  private var head = 0

  var isEmpty: Bool { head == storage.count }

  /// The element that has waited longest.
  var first: Element? { isEmpty ? nil : storage[head] }

  mutating func append(_ element: Element) { storage.append(element) }

  @discardableResult
  mutating func removeFirst() -> Element? {
    guard !isEmpty else { return nil }
    let element = storage[head]
    storage[head] = nil
    head += 1
    if head * 2 >= storage.count { compact() }
    return element
  }

  mutating func removeAll(where matches: (Element) -> Bool) {
    compact()
    storage.removeAll { $0.map(matches) ?? true }
  }

  private mutating func compact() {
    storage.removeFirst(head)
    head = 0
  }
}
