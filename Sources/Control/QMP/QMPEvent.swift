import Glibc

/// What clients are told without having asked: QEMU's events, by their names.
package enum QMPEvent: Equatable, Sendable {
  /// The virtual CPUs have stopped: STOP.
  case stopped
  /// They run again: RESUME.
  case resumed
  /// The machine starts again: RESET.
  case reset(byGuest: Bool)
  /// The power button was pressed: POWERDOWN.
  case powerButton
  /// The machine ends: SHUTDOWN.
  case shutdown(ShutdownReason)
  /// The guest says that its kernel has panicked: GUEST_PANICKED.
  case guestPanicked(PanicAction)
  /// The guest has opened or closed the port with this id: VSERPORT_CHANGE.
  case portChanged(id: String, isOpen: Bool)
  /// A device, or a port, is gone: DEVICE_DELETED.
  case deviceDeleted(id: String)

  /// What the machine does about a panic: QEMU's GuestPanicAction.
  package enum PanicAction: String, Sendable {
    case run, pause, poweroff
  }

  /// QEMU's ShutdownCause, as far as it applies.
  package enum ShutdownReason: String, Sendable {
    case quitByClient = "host-qmp-quit"
    case signal = "host-signal"
    case host = "host-ui"
    case hostError = "host-error"
    case guestShutdown = "guest-shutdown"
    case guestReset = "guest-reset"
    case guestPanic = "guest-panic"

    var isGuest: Bool { rawValue.utf8.starts(with: "guest".utf8) }
  }

  /// How often clients are told of an event, at most.
  enum Rate: Equatable {
    /// Each time, what waits of these keys before it.
    case always(after: [[UInt8]] = [])
    /// Once a second of each key.
    case everySecond(key: [UInt8])
  }

  /// The rule for each event: what a guest can cause as often as it likes is told once a second.
  var rate: Rate {
    switch self {
    case .portChanged(let id, _): .everySecond(key: Self.key(ofPort: id))
    case .guestPanicked: .everySecond(key: Self.panicKey)
    case .reset(byGuest: true): .everySecond(key: Self.resetKey)
    // Clients cause it, or a signal.
    case .reset(byGuest: false): .always(after: [Self.resetKey])
    case .powerButton, .resumed: .always()
    // A guest is stopped by a panic once; then a client has to let it go on.
    case .stopped: .always(after: [Self.panicKey])
    // Once for each device or port that there was.
    case .deviceDeleted(let id): .always(after: [Self.key(ofPort: id)])
    // Once.
    case .shutdown: .always(after: [Self.resetKey, Self.panicKey])
    }
  }

  private static let panicKey = Array("panic".utf8)
  private static let resetKey = Array("reset".utf8)
  private static func key(ofPort id: String) -> [UInt8] { Array("port \(id)".utf8) }

  /// The event as it goes over the wire.
  ///
  /// - Parameter time: since 1970.
  package func json(at time: timespec) -> JSONValue {
    var members = JSONObject()
    members.append(
      "timestamp",
      ["seconds": .integer(time.tv_sec), "microseconds": .integer(time.tv_nsec / 1000)])
    members.append("event", .string(name))
    if let data { members.append("data", data) }
    return .object(members)
  }

  private var name: String {
    switch self {
    case .stopped: "STOP"
    case .resumed: "RESUME"
    case .reset: "RESET"
    case .powerButton: "POWERDOWN"
    case .shutdown: "SHUTDOWN"
    case .guestPanicked: "GUEST_PANICKED"
    case .portChanged: "VSERPORT_CHANGE"
    case .deviceDeleted: "DEVICE_DELETED"
    }
  }

  private var data: JSONValue? {
    switch self {
    case .stopped, .resumed, .powerButton: nil
    case .reset(let byGuest):
      [
        "guest": .bool(byGuest),
        "reason": byGuest ? "guest-reset" : "host-qmp-system-reset",
      ]
    case .shutdown(let reason):
      ["guest": .bool(reason.isGuest), "reason": .string(reason.rawValue)]
    case .guestPanicked(let action): ["action": .string(action.rawValue)]
    case .portChanged(let id, let isOpen): ["id": .string(id), "open": .bool(isOpen)]
    case .deviceDeleted(let id):
      ["device": .string(id), "path": .string("/machine/peripheral/" + id)]
    }
  }
}
