import Host

/// One control message or change of state, as it happened.
package struct TraceEvent: Sendable {
  /// Which way it went.
  package enum Direction: String, Sendable {
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
  package let direction: Direction
  /// What, without the device's name.
  package let text: String
}

/// Where events go, if anywhere; without a listener nothing is looked up, formatted or allocated.
struct Tracer: Sendable {
  let sink: (@Sendable (TraceEvent) -> Void)?

  func note(_ direction: TraceEvent.Direction, _ text: @autoclosure () -> String) {
    guard let sink else { return }
    sink(TraceEvent(time: MonotonicClock.now(), direction: direction, text: text()))
  }
}
