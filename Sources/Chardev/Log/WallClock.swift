import Glibc

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
