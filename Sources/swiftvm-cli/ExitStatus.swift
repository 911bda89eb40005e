import SwiftVM

/// What the program's exit status tells.
package enum ExitStatus: Equatable, Sendable {
  /// The guest powered off; or what was asked for is done.
  case success
  /// The host failed the machine, or cannot run guests (`check`).
  case hostFailure
  /// The command line asked for something impossible; nothing was created.
  case configurationError
  /// The guest reset itself, under `--no-reboot`.
  case guestReset
  /// A virtual CPU shut down on a triple fault.
  case tripleFault
  /// KVM could not go on with the guest.
  case internalError
  /// Ctrl-A x on the console, `swiftvm stop`, or QMP's `quit`.
  case endedByUser
  /// The guest's kernel panicked.
  case guestPanic
  /// Every CPU of the guest halted with interrupts off, under `--no-reboot`.
  case guestHalt
  /// The guest ended after its kernel had told of an oops.
  case guestOops
  /// The guest powered off, and some of what it wrote is lost.
  case outputLost
  /// The guest wrote this value to isa-debug-exit.
  case debugExit(value: UInt32)
  /// The process was told to end by a signal.
  case endedBySignal(Int32)

  /// The status of a machine that ended so.
  package init(_ outcome: VirtualMachineOutcome) {
    self =
      switch outcome {
      case .poweredOff: .success
      case .reset: .guestReset
      case .panicked: .guestPanic
      case .halted: .guestHalt
      case .oopsed: .guestOops
      case .outputLost: .outputLost
      case .debugExit(let value): .debugExit(value: value)
      case .tripleFault: .tripleFault
      case .internalError: .internalError
      case .hostFailure: .hostFailure
      case .stoppedByUser: .endedByUser
      case .stopped(let signal): .endedBySignal(signal)
      }
  }

  /// The status of `swiftvm check` for this verdict.
  package init(_ verdict: HostReport.Verdict) {
    self =
      switch verdict {
      case .canRunLinux: .success
      case .smallGuestsOnly, .unavailable: .hostFailure
      }
  }

  /// The number for `exit(2)`.
  package var code: Int32 {
    switch self {
    case .success: 0
    case .hostFailure: 1
    case .configurationError: 2
    case .guestReset: 3
    case .tripleFault: 4
    case .internalError: 5
    case .endedByUser: 6
    case .guestPanic: 7
    // Even from here on, as every odd one may be isa-debug-exit's.
    case .guestHalt: 8
    case .guestOops: 10
    case .outputLost: 12
    // What wait(2) lets through of QEMU's (value << 1) | 1.
    case .debugExit(let value): Int32(truncatingIfNeeded: (value << 1 | 1) & 0xff)
    case .endedBySignal(let signal): 128 &+ signal
    }
  }

  /// Every status and what it means, for the help.
  package static let meanings: [(code: String, meaning: String)] = [
    ("0", "the guest powered off"),
    ("1", "the host failed or cannot run guests (check), or a machine refused"),
    ("2", "wrong usage or configuration; nothing was created"),
    ("3", "the guest reset itself (with --no-reboot)"),
    ("4", "triple fault of a virtual CPU (with --no-reboot, or three in a row)"),
    ("5", "KVM could not go on with the guest (internal error, failed entry)"),
    ("6", "ended by its user (Ctrl-A x on the console, swiftvm stop, quit)"),
    ("7", "the guest's kernel panicked, as pvpanic or a console told, and then the guest ended"),
    ("8", "every CPU halted with interrupts off (with --no-reboot)"),
    ("10", "the guest powered off or reset itself after an oops that a console told of"),
    ("12", "the guest powered off, but its output is lost in part: a reader was too slow"),
    (
      "2N+1",
      "the guest wrote N to isa-debug-exit; where 2N+1 is 1, 3, 5, 7 or 129 and more, a line on"
        + " standard error says so"
    ),
    ("128+N", "ended by signal N (130: Ctrl-C or SIGINT, 143: SIGTERM)"),
  ]
}

extension VirtualMachineOutcome {
  /// What the user is told at the end; nil where the end is what they meant.
  package var message: String? {
    switch self {
    case .poweredOff, .stoppedByUser: nil
    case .debugExit(let value): Self.message(ofDebugExit: value)
    case .panicked: "the guest panicked"
    case .oopsed: "the guest's kernel had an oops before the guest ended"
    case .halted: "every CPU of the guest halted with interrupts off, and nothing could wake them"
    case .outputLost:
      "the guest powered off, but some of what it printed or sent is lost: its reader was too slow"
    case .reset: "the guest reset itself"
    case .tripleFault: "the guest's CPU shut down on a triple fault"
    case .internalError(let report): report
    case .hostFailure(let text): text
    case .stopped(let signal): "ended by signal \(signal)"
    }
  }

  /// Told where the status may also mean something else.
  private static func message(ofDebugExit value: UInt32) -> String? {
    let code = ExitStatus.debugExit(value: value).code
    guard code < 8 || code > 128 else { return nil }
    return "the guest wrote \(value) to isa-debug-exit, which makes status \(code)"
  }
}
