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
  /// The guest's kernel panicked, and the machine was to end then.
  case guestPanic
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
      case .debugExit(let value): .debugExit(value: value)
      case .tripleFault: .tripleFault
      case .internalError: .internalError
      case .hostFailure: .hostFailure
      case .stoppedByUser: .endedByUser
      case .stopped(let signal): .endedBySignal(signal)
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
    ("7", "the guest panicked (with -action panic=shutdown)"),
    ("2N+1", "the guest wrote N to isa-debug-exit"),
    ("128+N", "ended by signal N (130: Ctrl-C or SIGINT, 143: SIGTERM)"),
  ]
}
