import Glibc
import Machine
import SwiftVM

/// `swiftvm run`: from the request to the guest's end.
enum RunCommand {
  /// Boots the guest and waits for its end, which is told on standard error unless it powered off.
  static func perform(_ request: RunRequest) throws(ConfigurationError) -> ExitStatus {
    let timings = Timings()
    let configuration = try request.configuration { () throws(ConfigurationError) in
      try GuestImage.locate()
    }
    let outcome = try runVirtualMachine(configuration, timings: timings)
    if request.printsTimings {
      timings.mark("end")
      StandardStream.error.write(timings.lines.map { $0 + "\n" }.joined())
    }
    if let message = outcome.message { StandardStream.error.write("swiftvm: \(message)\n") }
    return ExitStatus(outcome)
  }

  private static func runVirtualMachine(
    _ configuration: VirtualMachineConfiguration, timings: Timings
  ) throws(ConfigurationError) -> VirtualMachineOutcome {
    let machine = try VirtualMachine(
      configuration, timings: timings, endingOn: [SIGINT, SIGTERM, SIGHUP])
    return machine.run()
  }
}

extension VirtualMachineOutcome {
  /// What the user is told at the end; nil where the end is what they meant.
  package var message: String? {
    switch self {
    case .poweredOff, .stoppedByUser: nil
    case .reset: "the guest reset itself"
    case .tripleFault: "the guest's CPU shut down on a triple fault"
    case .internalError(let report): report
    case .hostFailure(let text): text
    case .stopped(let signal): "ended by signal \(signal)"
    }
  }
}
