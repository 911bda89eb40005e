/// How a channel's guest is told that one client has gone and another may come: with `drain`, not
/// while it still writes; with `gap`, not faster than it can notice.
///
/// Pure: times are given, in nanoseconds of the monotonic clock. While a handover goes on, the next
/// client's bytes wait in its socket.
struct Handover {
  /// How long a guest that writes on keeps the next client waiting.
  private static let longestDrain: Int64 = 10_000_000_000
  /// How long the close of a driver is waited for that has it and does not give its buffer back.
  private static let longestClose: Int64 = 5_000_000_000
  /// How often is looked whether the guest has taken the close.
  private static let closeInterval: Int64 = 10_000_000

  private enum Phase {
    /// The guest is told what is the case.
    case settled
    /// The client has gone, and the guest is not told: what it writes is discarded.
    case draining(until: Int64, latest: Int64)
    /// The guest is told that the client has gone; it has the message with this number since then.
    case closing(message: UInt64?, since: Int64)
    /// The guest knows, and has this long to act upon it.
    case resting(until: Int64)
  }

  /// What is to be done at `deadline`.
  enum Step {
    /// Nothing yet.
    case wait
    /// The guest is to be told that the client has gone.
    case close
    /// The guest is to be told what is the case.
    case settle
  }

  private let drain: Int64
  private let gap: Int64
  private var phase = Phase.settled
  /// When to look again.
  private(set) var deadline: Int64 = 0

  init(_ policy: PortPolicy) {
    drain = policy.drainMilliseconds.asNanoseconds
    gap = policy.gapMilliseconds.asNanoseconds
  }

  /// No handover goes on.
  var isSettled: Bool { if case .settled = phase { true } else { false } }

  /// The guest writes to a client that has gone.
  var isDraining: Bool { if case .draining = phase { true } else { false } }

  /// The client has gone; returns whether the guest is not to be told yet.
  mutating func beginDraining(at now: Int64) -> Bool {
    guard drain > 0 else { return false }
    deadline = now &+ drain
    phase = .draining(until: deadline, latest: now &+ Self.longestDrain)
    return true
  }

  /// The guest is being told that the client has gone; returns whether the next one has to wait.
  @discardableResult
  mutating func beginClosing(at now: Int64) -> Bool {
    guard gap > 0 else {
      phase = .settled
      return false
    }
    phase = .closing(message: nil, since: now)
    deadline = now &+ min(gap, Self.closeInterval)
    return true
  }

  /// The guest has written what was discarded.
  mutating func noteWrite(at now: Int64) {
    guard case .draining(_, let latest) = phase else { return }
    phase = .draining(until: min(now &+ drain, latest), latest: latest)
  }

  /// The guest has been given the message that the client has gone.
  mutating func noteClose(message: UInt64, at now: Int64) {
    guard case .closing = phase else { return }
    phase = .closing(message: message, since: now)
  }

  /// The number of the message that the guest is to take; nil where there is none.
  var awaitedMessage: UInt64? {
    if case .closing(let message, _) = phase { message } else { nil }
  }

  /// What is due.
  ///
  /// - Parameter hasTakenClose: whether the driver has given the message's buffer back.
  mutating func advance(at now: Int64, hasTakenClose: Bool) -> Step {
    switch phase {
    case .settled: return .wait
    case .draining(let until, _):
      deadline = until
      return now >= until ? .close : .wait
    case .closing(let message, let since):
      let isOverdue = message != nil && now &- since > Self.longestClose
      guard message != nil && hasTakenClose || isOverdue else {
        deadline = now &+ min(gap, Self.closeInterval)
        return .wait
      }
      deadline = now &+ gap
      phase = .resting(until: deadline)
      return .wait
    case .resting(let until):
      deadline = until
      return now >= until ? .settle : .wait
    }
  }

  /// The guest stood still until now: it gets its time anew.
  mutating func postpone(at now: Int64) {
    switch phase {
    case .settled: break
    case .draining:
      deadline = now &+ drain
      phase = .draining(until: deadline, latest: now &+ Self.longestDrain)
    case .closing(let message, _):
      phase = .closing(message: message, since: now)
      deadline = now &+ gap
    case .resting:
      deadline = now &+ gap
      phase = .resting(until: deadline)
    }
  }

  /// There is no guest any more that could notice.
  mutating func end() { phase = .settled }
}

extension Int {
  /// This many milliseconds, within what a policy allows.
  fileprivate var asNanoseconds: Int64 {
    let allowed = PortPolicy.allowedMilliseconds
    return Int64(Swift.min(Swift.max(self, allowed.lowerBound), allowed.upperBound)) * 1_000_000
  }
}
