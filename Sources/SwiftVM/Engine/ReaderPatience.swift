import Host

/// How long the end waits for slow readers of what the guest has sent.
struct ReaderPatience {
  /// The time between two looks at the readers.
  static let stepMilliseconds = 5
  /// How long readers may take nothing.
  private static let stallNanoseconds: Int64 = 10_000_000_000

  /// Nil for as long as they read.
  private let deadline: Int64?
  /// How far the readers were at `time`, when they last took something.
  private var progress: [UInt64]
  private var time = MonotonicClock.now()

  /// - Parameters:
  ///   - limitSeconds: the longest wait of all; nil for as long as they read.
  ///   - progress: how far the readers are now, in any numbers that change as they read.
  init(limitSeconds: Int?, progress: [UInt64]) {
    let now = time
    deadline = limitSeconds.map { now &+ Int64($0) &* 1_000_000_000 }
    self.progress = progress
  }

  /// Whether readers that are so far now get more time.
  mutating func hasTime(for progress: [UInt64]) -> Bool {
    let now = MonotonicClock.now()
    if progress != self.progress { (self.progress, time) = (progress, now) }
    return now &- time < Self.stallNanoseconds && deadline.map { now < $0 } ?? true
  }
}
