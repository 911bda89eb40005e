import Host

/// Limits how often clients are told what a guest may cause in a loop. For each key (one port's openings
/// and closings, panics) the first event is sent at once; of those that follow, the last is sent when a
/// second has passed. QEMU does the same for VSERPORT_CHANGE. All keys together have a limit, too, since
/// a guest may have thousands of ports.
///
/// There is a timer only while the last second has brought an event. Lives on the loop's thread.
final class EventThrottle {
  /// How many events a second may bring, of all keys together: 140 KB of text.
  static let eventsPerPeriod = 1000

  private struct Entry {
    var due: Int64
    /// The last event that has not been told.
    var waiting: JSONValue?
  }

  private let period: Int64
  private let limit: Int
  private let send: (JSONValue) -> Void
  private var entries: [[UInt8]: Entry] = [:]
  /// When to look at which key, by time. An item that does not fit its entry means nothing.
  private var queue: [(key: [UInt8], due: Int64)] = []
  private var timer: EventLoop.Timer?
  private var windowEnd: Int64 = .min
  private var toldInWindow = 0

  /// - Parameters:
  ///   - limit: how many events a period may bring.
  ///   - send: tells the clients.
  init(
    periodMilliseconds: Int = 1000, limit: Int = EventThrottle.eventsPerPeriod,
    send: @escaping (JSONValue) -> Void
  ) {
    period = Int64(periodMilliseconds) &* 1_000_000
    self.limit = limit
    self.send = send
  }

  /// Tells of an event now or later.
  func tell(_ event: JSONValue, of key: [UInt8], on loop: EventLoop) {
    guard entries[key] == nil else {
      entries[key]?.waiting = event
      return
    }
    let now = MonotonicClock.now()
    rest(key, now)
    if takePlace(now) { send(event) } else { entries[key]?.waiting = event }
    arm(on: loop)
  }

  /// Tells what waits of a key, before something that it must not follow.
  func settle(_ key: [UInt8]) {
    if let event = entries.removeValue(forKey: key)?.waiting { send(event) }
  }

  /// Tells all that waits; nothing is told any more.
  func stop() {
    timer?.cancel()
    timer = nil
    for (key, _) in queue { settle(key) }
    queue = []
    entries = [:]
  }

  /// Whether one more event may be told in this period; counts it then.
  private func takePlace(_ now: Int64) -> Bool {
    if now >= windowEnd {
      windowEnd = now &+ period
      toldInWindow = 0
    }
    guard toldInWindow < limit else { return false }
    toldInWindow += 1
    return true
  }

  private func rest(_ key: [UInt8], _ now: Int64) {
    let due = now &+ period
    entries[key] = Entry(due: due)
    queue.append((key, due))
  }

  private func arm(on loop: EventLoop) {
    guard timer == nil, let first = queue.first else { return }
    let time = toldInWindow < limit ? first.due : max(first.due, windowEnd)
    let left = max(0, time &- MonotonicClock.now())
    timer = loop.after(milliseconds: Int(left / 1_000_000) + 1) { [weak self, unowned loop] in
      self?.timer = nil
      self?.look()
      self?.arm(on: loop)
    }
  }

  /// Those that find no place keep theirs at the queue's front.
  private func look() {
    let now = MonotonicClock.now()
    var lookedAt = 0
    defer { queue.removeFirst(lookedAt) }
    for (key, due) in queue {
      guard due <= now else { return }
      if let entry = entries[key], entry.due == due {
        if let event = entry.waiting {
          guard takePlace(now) else { return }
          rest(key, now)
          send(event)
        } else {
          entries[key] = nil
        }
      }
      lookedAt += 1
    }
  }
}
