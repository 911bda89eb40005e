import Glibc
import SwiftVM

/// An event of the machine's as QMP's clients get it: QEMU's name and data, and how often they are told.
struct QMPEvent: Equatable {
  /// How often clients are told of an event, at most.
  enum Rate: Equatable {
    /// Each time; what waits of these keys is sent first.
    case always(after: [[UInt8]] = [])
    /// Once a second for each key.
    case everySecond(key: [UInt8])
  }

  let name: String
  let data: JSONValue?
  /// What a guest can cause as often as it likes is told once a second.
  let rate: Rate

  private static let panicKey = Array("panic".utf8)
  private static let resetKey = Array("reset".utf8)

  private static func key(ofPort id: String) -> [UInt8] { Array("port \(id)".utf8) }

  private init(_ name: String, _ data: JSONValue? = nil, _ rate: Rate = .always()) {
    (self.name, self.data, self.rate) = (name, data, rate)
  }

  /// The event for the wire; nil for one that QMP has no word for.
  ///
  /// - Parameters:
  ///   - policy: what the machine does about a panic.
  ///   - byClient: whether a client has ended the machine.
  init?(
    _ event: VirtualMachineEvent, onPanic policy: VirtualMachineConfiguration.PanicPolicy,
    byClient: Bool
  ) {
    switch event {
    case .paused:
      // A panic stops a guest once; a client has to resume it.
      self.init("STOP", nil, .always(after: [Self.panicKey]))
    case .resumed: self.init("RESUME")
    case .powerButtonPressed: self.init("POWERDOWN")
    case .reset(let byGuest):
      self.init(
        "RESET",
        ["guest": .bool(byGuest), "reason": byGuest ? "guest-reset" : "host-qmp-system-reset"],
        byGuest ? .everySecond(key: Self.resetKey) : .always(after: [Self.resetKey]))
    case .shutdown(let outcome):
      let reason = Self.shutdownReason(outcome, byClient: byClient)
      self.init(
        "SHUTDOWN", ["guest": .bool(reason.hasPrefix("guest")), "reason": .string(reason)],
        .always(after: [Self.resetKey, Self.panicKey]))
    case .guestPanicked(let startsCrashKernel):
      let action: JSONValue =
        switch policy {
        case _ where startsCrashKernel: "run"
        case .proceed: "run"
        case .pause: "pause"
        case .exit: "poweroff"
        }
      self.init("GUEST_PANICKED", ["action": action], .everySecond(key: Self.panicKey))
    case .portChanged(let id, let isOpen):
      guard let id else { return nil }
      self.init(
        "VSERPORT_CHANGE", ["id": .string(id), "open": .bool(isOpen)],
        .everySecond(key: Self.key(ofPort: id)))
    case .deviceRemoved(let id):
      guard let id else { return nil }
      self.init(
        "DEVICE_DELETED", ["device": .string(id), "path": .string("/machine/peripheral/" + id)],
        .always(after: [Self.key(ofPort: id)]))
    case .ended: return nil
    }
  }

  /// QEMU's ShutdownCause.
  private static func shutdownReason(_ outcome: VirtualMachineOutcome, byClient: Bool) -> String {
    switch outcome {
    case .poweredOff, .oopsed, .halted, .outputLost, .debugExit: "guest-shutdown"
    case .reset, .tripleFault: "guest-reset"
    case .panicked: "guest-panic"
    case .internalError, .hostFailure: "host-error"
    case .stoppedByUser: byClient ? "host-qmp-quit" : "host-ui"
    case .stopped: "host-signal"
    }
  }

  /// The event as it goes over the wire.
  ///
  /// - Parameter time: since 1970.
  func json(at time: timespec) -> JSONValue {
    [
      "timestamp": [
        "seconds": .integer(time.tv_sec), "microseconds": .integer(time.tv_nsec / 1000),
      ],
      "event": .string(name), "data": data,
    ]
  }
}
