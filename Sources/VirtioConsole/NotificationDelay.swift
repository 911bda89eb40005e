/// Whether a transmit queue that runs empty asks for a notification of the next buffer, or of a later
/// one, since the guest streams.
///
/// Where guest and I/O thread share a processor, each notification stops the guest's writer, and a
/// stream of small buffers is passed on one by one. With a later one, or once the time limit is over,
/// several buffers are passed on together. An answer to what a client has sent does not wait. A guest
/// that waits for each buffer before it writes the next is delayed ever less often.
struct NotificationDelay {
  /// Buffers that may come before the one that is notified of.
  static let bufferCount: UInt16 = 15
  /// How long they may wait.
  static let limitMilliseconds = 1
  /// Times that the queue has run empty without a longer pause make a stream.
  private static let shortestStream = 8
  private static let longestStream = 1 << 10
  private static let pauseNanoseconds: Int64 = 10_000_000
  /// A guest that waits for each buffer has written fewer than so many within the limit.
  private static let fewBuffers = 2

  /// Buffers may be there without a notification.
  private(set) var isDelayed = false
  private var streak = 0
  private var neededStreak = shortestStream
  private var lastTime: Int64 = 0
  private var hasReachedLimit = false

  /// The queue has run empty; returns how many buffers need no notification.
  mutating func ranEmpty(at now: Int64) -> UInt16 {
    streak = now &- lastTime < Self.pauseNanoseconds ? min(streak + 1, neededStreak) : 0
    lastTime = now
    isDelayed = streak >= neededStreak
    return isDelayed ? Self.bufferCount : 0
  }

  /// The next buffer may be an answer, or another driver's first one.
  mutating func endStream() { streak = 0 }

  /// A look at the queue has come; returns whether it has been empty for about as long as the limit, so
  /// that a pass is due.
  mutating func reachesLimit(at now: Int64) -> Bool {
    hasReachedLimit = now &- lastTime >= Int64(Self.limitMilliseconds) * 500_000
    return hasReachedLimit
  }

  /// A pass over the queue begins.
  ///
  /// - Parameter count: counts the buffers that are there.
  mutating func begin<Failure>(_ count: () throws(Failure) -> Int) throws(Failure) {
    isDelayed = false
    guard hasReachedLimit else { return }
    hasReachedLimit = false
    let count = try count()
    if count >= Self.fewBuffers { return neededStreak = Self.shortestStream }
    streak = 0
    if count > 0 { neededStreak = min(2 * neededStreak, Self.longestStream) }
  }
}
