import Host

/// One control message or change of state, as it happened.
package struct TraceEvent: Sendable, CustomStringConvertible {
  /// Who did or said it.
  package enum Origin: String, Sendable {
    /// A control message that the guest has been given.
    case toGuest = "to guest"
    /// A control message that the guest has sent.
    case fromGuest = "from guest"
    /// What became of the device or of a port.
    case state = "state"
  }

  /// When, in nanoseconds of the monotonic clock.
  package let time: Int64
  /// Which way it went.
  package let direction: Origin
  /// What, without the device's name.
  package let text: String

  /// One line: seconds with microseconds, the direction, the text.
  package var description: String {
    let microseconds = String(time / 1000 % 1_000_000)
    let padding = String(repeating: "0", count: 6 - microseconds.count)
    return "\(time / 1_000_000_000).\(padding)\(microseconds) \(direction.rawValue): \(text)"
  }
}

/// Where events go, if anywhere; without a listener nothing is looked up, formatted or allocated.
struct Tracer: Sendable {
  let sink: (@Sendable (TraceEvent) -> Void)?

  func note(_ direction: TraceEvent.Origin, _ text: @autoclosure () -> String) {
    guard let sink else { return }
    sink(TraceEvent(time: MonotonicClock.now(), direction: direction, text: text()))
  }
}
