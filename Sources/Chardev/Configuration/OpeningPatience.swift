import Host

/// How long the opening of host ends may wait for others, all together. For one thread.
package final class OpeningPatience {
  /// What is left for those who are making sockets in the same directory, in milliseconds.
  private(set) var forLocks: Int
  /// What is left for peers to answer.
  private(set) var forPeers: Int

  private init(forLocks: Int, forPeers: Int) {
    self.forLocks = forLocks
    self.forPeers = forPeers
  }

  /// Before the machine runs: it has no time to lose to locks, yet its peers may be far away.
  package static func atStart() -> OpeningPatience {
    OpeningPatience(forLocks: 1000, forPeers: .max)
  }

  /// While it runs, when its other host ends wait as long.
  package static func brief() -> OpeningPatience { OpeningPatience(forLocks: 100, forPeers: 100) }

  /// Does what waits for a lock.
  func whileLocking<Value>(_ body: (_ milliseconds: Int) -> Value) -> Value {
    let start = MonotonicClock.now()
    defer { forLocks -= Self.milliseconds(since: start, of: forLocks) }
    return body(forLocks)
  }

  /// Does what waits for a peer.
  func whileConnecting<Value, Failure>(
    _ body: (_ milliseconds: Int) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let start = MonotonicClock.now()
    defer { forPeers -= Self.milliseconds(since: start, of: forPeers) }
    return try body(forPeers)
  }

  private static func milliseconds(since start: Int64, of limit: Int) -> Int {
    min(limit, Int((MonotonicClock.now() &- start) / 1_000_000))
  }
}
