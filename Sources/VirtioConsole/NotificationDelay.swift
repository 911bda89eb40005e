import Host

/// Whether a transmit queue that runs empty asks for a notification of the next buffer, or of a later
/// one, since the guest streams.
///
/// Where guest and I/O thread share a processor, each notification stops the guest's writer, and a
/// stream of small buffers is passed on one by one. With a later one, or once the time limit is over,
/// several buffers are passed on together. An answer to what a client has sent does not wait; nor, for
/// long, does a guest that waits for each buffer before it writes the next.
struct NotificationDelay {
  /// Buffers that may come before the one that is notified of.
  static let bufferCount: UInt16 = 15
  /// How long they may wait.
  static let limitMilliseconds = 1
  /// Times that the queue ran empty in quick succession make a stream.
  private static let shortestStream = 8
  private static let longestStream = 1 << 20
  private static let quickNanoseconds: Int64 = 2_000_000
  /// A guest that waits for each buffer has written fewer than so many within the limit.
  private static let fewBuffers = 2

  private var streak = 0
  private var neededStreak = shortestStream
  private var lastTime: Int64 = 0
  /// A look at the queue is on its way.
  private var isLookPosted = false

  /// The queue has run empty; returns how many buffers need no notification.
  mutating func ranEmpty(at now: Int64) -> UInt16 {
    streak = now &- lastTime < Self.quickNanoseconds ? min(streak + 1, neededStreak) : 0
    lastTime = now
    return streak >= neededStreak ? Self.bufferCount : 0
  }

  /// The next buffer may be an answer, or another driver's first one.
  mutating func endStream() { streak = 0 }

  /// Returns whether a look has to be posted, which the caller does.
  mutating func postLook() -> Bool {
    defer { isLookPosted = true }
    return !isLookPosted
  }

  /// The posted look has come, and nothing is to be done.
  mutating func forgetLook() { isLookPosted = false }

  /// The time of a posted look has come; returns whether buffers have waited for `limitMilliseconds`,
  /// rather than that the queue has run empty again since.
  mutating func lookIsDue(at now: Int64) -> Bool {
    isLookPosted = false
    return now &- lastTime >= Int64(Self.limitMilliseconds) * 500_000
  }

  /// So many buffers have waited for the limit. A guest that had to wait is made to wait less often.
  mutating func waited(_ count: Int) {
    if count >= Self.fewBuffers { return neededStreak = Self.shortestStream }
    streak = 0
    if count > 0 { neededStreak = min(2 * neededStreak, Self.longestStream) }
  }
}
