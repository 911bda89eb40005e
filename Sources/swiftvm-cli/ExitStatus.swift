import SwiftVM

/// What the program's exit status tells.
struct ExitStatus: Equatable, Sendable {
  let code: Int32

  /// What was asked for is done.
  static let success = ExitStatus(code: 0)
  /// The host failed the machine, or a machine refused.
  static let hostFailure = ExitStatus(code: 1)
  /// The command line asked for something impossible; nothing was created.
  static let configurationError = ExitStatus(code: 2)

  private init(code: Int32) { self.code = code }

  init(_ outcome: VirtualMachineOutcome) {
    code =
      switch outcome {
      case .poweredOff: 0
      case .hostFailure: 1
      case .reset: 3
      case .tripleFault: 4
      case .internalError: 5
      case .stoppedByUser: 6
      case .panicked: 7
      // Even from here on, as every odd one may be isa-debug-exit's.
      case .halted: 8
      case .oopsed: 10
      case .outputLost: 12
      // What wait(2) lets through of QEMU's (value << 1) | 1.
      case .debugExit(let value): Int32(truncatingIfNeeded: (value << 1 | 1) & 0xff)
      case .stopped(let signal): 128 &+ signal
      }
  }

  init(_ verdict: HostReport.Verdict) { self = verdict == .canRunLinux ? .success : .hostFailure }

  /// Every status and what it means, for the help.
  static let meanings: [(code: String, meaning: String)] = [
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
  var message: String? {
    switch self {
    case .poweredOff, .stoppedByUser: return nil
    case .debugExit(let value):
      // Told where the status may also mean something else.
      let code = ExitStatus(self).code
      guard code < 8 || code > 128 else { return nil }
      return "the guest wrote \(value) to isa-debug-exit, which makes status \(code)"
    case .panicked: return "the guest panicked"
    case .oopsed: return "the guest's kernel had an oops before the guest ended"
    case .halted:
      return "every CPU of the guest halted with interrupts off, and nothing could wake them"
    case .outputLost:
      return
        "the guest powered off, but some of what it printed or sent is lost: its reader was too slow"
    case .reset: return "the guest reset itself"
    case .tripleFault: return "the guest's CPU shut down on a triple fault"
    case .internalError(let text), .hostFailure(let text): return text
    case .stopped(let signal): return "ended by signal \(signal)"
    }
  }
}
