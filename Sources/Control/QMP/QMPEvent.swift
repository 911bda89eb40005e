import Glibc
import SwiftVM

/// An event of the machine's as QMP's clients get it: QEMU's name and data, and how often they are told.
struct QMPEvent: Equatable {
  let name: String
  let data: JSONValue?
  /// What kind of news it is, of which clients are told once a second, since a guest can cause it as often
  /// as it likes; nil for news that they are told each time.
  let key: [UInt8]?
  /// The kinds of news of which clients are told first what has not been told.
  let settled: [[UInt8]]

  private static let panicKey = Array("panic".utf8)
  private static let resetKey = Array("reset".utf8)

  private static func key(ofPort id: String) -> [UInt8] { Array("port \(id)".utf8) }

  private init(
    _ name: String, _ data: JSONValue? = nil, onceASecond key: [UInt8]? = nil,
    after settled: [[UInt8]] = []
  ) {
    (self.name, self.data, self.key, self.settled) = (name, data, key, settled)
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
    // A panic stops a guest once; a client has to resume it.
    case .paused: self.init("STOP", after: [Self.panicKey])
    case .resumed: self.init("RESUME")
    case .powerButtonPressed: self.init("POWERDOWN")
    case .reset(let byGuest):
      self.init(
        "RESET",
        ["guest": .bool(byGuest), "reason": byGuest ? "guest-reset" : "host-qmp-system-reset"],
        onceASecond: byGuest ? Self.resetKey : nil, after: byGuest ? [] : [Self.resetKey])
    case .shutdown(let outcome):
      let reason = Self.shutdownReason(outcome, byClient: byClient)
      self.init(
        "SHUTDOWN", ["guest": .bool(reason.hasPrefix("guest")), "reason": .string(reason)],
        after: [Self.resetKey, Self.panicKey])
    case .guestPanicked(let startsCrashKernel):
      let action: JSONValue =
        switch policy {
        case _ where startsCrashKernel: "run"
        case .proceed: "run"
        case .pause: "pause"
        case .exit: "poweroff"
        }
      self.init("GUEST_PANICKED", ["action": action], onceASecond: Self.panicKey)
    case .portChanged(let id?, let isOpen):
      self.init(
        "VSERPORT_CHANGE", ["id": .string(id), "open": .bool(isOpen)],
        onceASecond: Self.key(ofPort: id))
    case .deviceRemoved(let id?):
      self.init(
        "DEVICE_DELETED", ["device": .string(id), "path": .string("/machine/peripheral/" + id)],
        after: [Self.key(ofPort: id)])
    case .portChanged, .deviceRemoved, .ended: return nil
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
