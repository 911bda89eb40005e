/// The times between attempts: each failure doubles the next one, up to a minute or what the first
/// one is, and a success sets it back.
struct RetryDelay {
  /// Where doubling ends, in milliseconds.
  static let cap = 60_000

  private let first: Int
  /// The time before the next attempt, in milliseconds.
  private(set) var current: Int

  init(first milliseconds: Int) {
    first = max(milliseconds, 1)
    current = first
  }

  /// An attempt is put off by `current`.
  mutating func grow() {
    current = current > Self.cap / 2 ? max(first, Self.cap) : current * 2
  }

  /// An attempt was a success.
  mutating func reset() { current = first }
}
