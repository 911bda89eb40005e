import Glibc

/// Turns what passes in two directions into lines of text that say when and which way:
///
///     2026-11-22T18:32:07.250Z > login:
///     2026-11-22T18:32:09.001Z < root
///     2026-11-22T18:32:10.730Z * disconnected
///
/// `>` is the guest's output, `<` its input, `*` anything else. A line ends at a line feed, where
/// the other direction goes on, or at `longestLine` bytes. Whatever is no printable ASCII character
/// is written as an escape, so that no guest can forge a line, or command a terminal that shows it.
struct LineAnnotator {
  /// Which way bytes go, and its sign.
  enum Direction: String {
    case fromGuest = ">"
    case toGuest = "<"
  }

  /// The most bytes of one line.
  static let longestLine = 4096

  private var direction = Direction.fromGuest
  /// The unfinished line, without its head.
  private var line: [UInt8] = []
  private var start = WallClock.Time()
  private var text: [UInt8] = []

  /// Bytes have passed.
  mutating func take(
    _ bytes: some Collection<UInt8>, _ direction: Direction, at time: WallClock.Time
  ) {
    if direction != self.direction { finishLine() }
    self.direction = direction
    for byte in bytes {
      if line.isEmpty { start = time }
      line.append(byte)
      if byte == UInt8(ascii: "\n") || line.count == Self.longestLine { finishLine() }
    }
  }

  /// Something else has happened.
  mutating func note(_ event: String, at time: WallClock.Time) {
    finishLine()
    text += Array("\(time.text) * \(event)\n".utf8)
  }

  /// Ends the line that has begun, if one has.
  mutating func finishLine() {
    guard !line.isEmpty else { return }
    if line.last == UInt8(ascii: "\n") { line.removeLast() }
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    text += Array("\(start.text) \(direction.rawValue) ".utf8)
    for byte in line { append(byte) }
    text.append(UInt8(ascii: "\n"))
    line.removeAll(keepingCapacity: true)
  }

  /// The whole lines so far, and forgets them.
  mutating func takeText() -> [UInt8] {
    defer { text.removeAll(keepingCapacity: text.count <= Self.longestLine) }
    return text
  }

  private mutating func append(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\\"): text += Array("\\\\".utf8)
    case UInt8(ascii: "\t"): text += Array("\\t".utf8)
    case UInt8(ascii: "\r"): text += Array("\\r".utf8)
    case 0x20..<0x7f: text.append(byte)
    default:
      let digits = String(byte, radix: 16)
      text += Array("\\x\(byte < 16 ? "0" : "")\(digits)".utf8)
    }
  }
}

/// The time of day, for people.
enum WallClock {
  /// A moment, in milliseconds since 1970 (UTC).
  struct Time: Equatable {
    var milliseconds = 0

    /// As in `2026-11-22T18:32:07.250Z` (ISO 8601).
    var text: String {
      var seconds = milliseconds / 1000
      var parts = tm()
      gmtime_r(&seconds, &parts)
      let date = [(parts.tm_year + 1900, 4), (parts.tm_mon + 1, 2), (parts.tm_mday, 2)]
      let time = [(parts.tm_hour, 2), (parts.tm_min, 2), (parts.tm_sec, 2)]
      return Self.join(date, "-") + "T" + Self.join(time, ":") + "."
        + Self.padded(Int32(milliseconds % 1000), 3) + "Z"
    }

    private static func join(_ numbers: [(Int32, Int)], _ separator: String) -> String {
      numbers.map { padded($0.0, $0.1) }.joined(separator: separator)
    }

    private static func padded(_ number: Int32, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
  }

  static func now() -> Time {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Time(milliseconds: now.tv_sec * 1000 + now.tv_nsec / 1_000_000)
  }
}
