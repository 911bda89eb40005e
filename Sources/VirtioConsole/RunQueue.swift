/// Who has more to do than one turn allows: each port and each queue without a port at most once, in
/// the order they came to, so that nobody waits longer than one turn of each of the others, and
/// nothing grows however often they are notified of.
struct RunQueue {
  /// A turn to be taken.
  enum Job {
    /// In the directions of the port's `pendingTurns`.
    case port(Port)
    /// The buffers of a queue that belongs to no port are to be returned.
    case orphan(queue: Int)
  }

  /// The control channel has more to do. It goes before everybody else.
  var wantsControl = false
  /// The next turn is on its way through the event loop.
  var isPosted = false

  private var jobs = Fifo<Job>()
  private var orphans: Set<Int> = []

  var isEmpty: Bool { jobs.isEmpty && !wantsControl }

  mutating func add(_ turns: Port.Turns, for port: Port) {
    if port.pendingTurns.isEmpty { jobs.append(.port(port)) }
    port.pendingTurns.formUnion(turns)
  }

  mutating func add(orphan queue: Int) {
    if orphans.insert(queue).inserted { jobs.append(.orphan(queue: queue)) }
  }

  /// Takes the next job out of the queue.
  mutating func next() -> Job? {
    let job = jobs.removeFirst()
    if case .orphan(let queue) = job { orphans.remove(queue) }
    return job
  }

  /// The port is no more.
  mutating func remove(_ port: Port) {
    guard !port.pendingTurns.isEmpty else { return }
    port.pendingTurns = []
    jobs.removeAll { if case .port(let other) = $0 { other === port } else { false } }
  }

  /// The driver is gone, and the ports' queues with it.
  mutating func removeAll() {
    while let job = jobs.removeFirst() {
      if case .port(let port) = job { port.pendingTurns = [] }
    }
    orphans = []
    wantsControl = false
  }
}
