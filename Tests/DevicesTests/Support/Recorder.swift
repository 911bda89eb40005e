import Synchronization

/// What happened, in order, from any thread.
final class Recorder<Event: Sendable & Equatable>: Sendable {
  private let log = Mutex<[Event]>([])

  func record(_ event: Event) {
    log.withLock { $0.append(event) }
  }

  var events: [Event] { log.withLock { $0 } }

  /// The events since the last call.
  func take() -> [Event] {
    log.withLock { events in
      defer { events = [] }
      return events
    }
  }
}
