import Host

/// Tells of a port's openings and closings at most once a second, as QEMU does (VSERPORT_CHANGE), so
/// that a guest that opens and closes in a loop does not flood the clients: the first at once, and of
/// those that follow the last, when its time has come.
///
/// There is a timer only while the last second has brought an event. Lives on the loop's thread.
final class PortChangeThrottle {
  private struct Port {
    var due: Int64
    /// The last event that has not been told.
    var waiting: JSONValue?
  }

  private let periodMilliseconds: Int
  private let send: (JSONValue) -> Void
  private var ports: [String: Port] = [:]
  /// When to look at which port, by time. An entry that does not fit its port means nothing.
  private var queue: [(id: String, due: Int64)] = []
  private var timer: EventLoop.Timer?

  /// - Parameter send: tells the clients.
  init(periodMilliseconds: Int = 1000, send: @escaping (JSONValue) -> Void) {
    self.periodMilliseconds = periodMilliseconds
    self.send = send
  }

  /// Tells of a port's change now or later.
  func tell(_ event: JSONValue, ofPort id: String, on loop: EventLoop) {
    guard ports[id] == nil else {
      ports[id]?.waiting = event
      return
    }
    rest(id)
    send(event)
    arm(on: loop)
  }

  /// Tells what waits of a port that is gone.
  func settle(_ id: String) {
    if let event = ports.removeValue(forKey: id)?.waiting { send(event) }
  }

  /// Tells all that waits; nothing is told any more.
  func stop() {
    timer?.cancel()
    timer = nil
    for (id, _) in queue { settle(id) }
    queue = []
    ports = [:]
  }

  private func rest(_ id: String) {
    let due = MonotonicClock.now() &+ Int64(periodMilliseconds) &* 1_000_000
    ports[id] = Port(due: due)
    queue.append((id, due))
  }

  private func arm(on loop: EventLoop) {
    guard timer == nil, let first = queue.first else { return }
    let left = max(0, first.due &- MonotonicClock.now())
    timer = loop.after(milliseconds: Int(left / 1_000_000) + 1) { [weak self, unowned loop] in
      self?.timer = nil
      self?.look()
      self?.arm(on: loop)
    }
  }

  private func look() {
    let now = MonotonicClock.now()
    let due = queue.prefix { $0.due <= now }
    queue.removeFirst(due.count)
    for (id, time) in due {
      guard let port = ports[id], port.due == time else { continue }
      ports[id] = nil
      guard let event = port.waiting else { continue }
      rest(id)
      send(event)
    }
  }
}
