import Glibc
import Host
import SwiftVM

/// `swiftvm run`: from the request to the guest's end.
enum RunCommand {
  /// Boots the guest and waits for its end, which is told on standard error unless it powered off.
  static func perform(_ request: RunRequest) throws(ConfigurationError) -> ExitStatus {
    var configuration = try request.configuration { () throws(ConfigurationError) in
      try GuestImage.locate()
    }
    if let name = request.name, let socket = rendezvous(of: name) {
      configuration.controlSockets.append(socket)
    }
    let daemon = request.daemonizes ? try daemon() : nil
    let log = LossyLog()
    var hooks = hooks(for: request, log: log)
    hooks.whenStarted = { daemon?.detach() }
    let machine = try VirtualMachine(configuration, hooks)
    // Not before: from now on no signal ends the process without removing it.
    let pidFile = try request.pidFilePath.map(pidFile)
    defer { withExtendedLifetime(pidFile) {} }
    let outcome = machine.run()
    var lines: [String] = []
    if log.droppedLineCount > 0 {
      lines.append("swiftvm: warning: \(log.droppedLineCount) lines of diagnosis were dropped")
    }
    if request.printsStatistics { lines += StatisticsTable.lines(machine.consoleDeviceReports) }
    if request.printsTimings {
      hooks.timings.mark("end")
      lines += hooks.timings.lines
    }
    if let message = outcome.message { lines.append("swiftvm: \(message)") }
    StandardStream.error.write(lines.map { $0 + "\n" }.joined())
    return ExitStatus(outcome)
  }

  /// The control socket by which the verbs find a machine with a name; nil, with a warning, where it
  /// cannot be had: as in QEMU, a name alone stops no machine.
  private static func rendezvous(of name: String) -> ChardevConfiguration? {
    let directory = ControlDirectory.ofUser
    do throws(ControlError) {
      try directory.make()
      let path = directory.socket(of: name)
      if (try? ControlSession(path: path)) != nil {
        throw ControlError("a machine of this name is running already")
      }
      guard path.utf8.count <= ControlSession.maximumPathLength else {
        throw ControlError("\(path) is too long for a socket")
      }
      return .unixSocketServer(path: path)
    } catch {
      Log.warning("swiftvm ports and its like cannot find '\(name)': \(error); use --qmp PATH")
      return nil
    }
  }

  private static func daemon() throws(ConfigurationError) -> Daemon {
    do throws(SystemError) { return try Daemon() } catch {
      throw ConfigurationError(
        option: OptionName.daemonize, problem: "the host refuses: \(error)", remedy: "leave it out")
    }
  }

  private static func pidFile(_ path: String) throws(ConfigurationError) -> PIDFile {
    do throws(PIDFileError) { return try PIDFile(path: path) } catch {
      throw ConfigurationError(
        option: OptionName.pidFile, value: path, problem: error.description,
        remedy: "give another path")
    }
  }

  private static func hooks(for request: RunRequest, log: LossyLog) -> ProgramHooks {
    var hooks = ProgramHooks()
    hooks.endingSignals = [SIGINT, SIGTERM, SIGHUP]
    hooks.reportSignal = SIGUSR1
    hooks.report = { reports in
      for line in StatisticsTable.lines(reports) { log.line(line) }
    }
    if request.printsTrace { hooks.trace = { log.line($0) } }
    hooks.parsePort = { (option, value) throws(ConfigurationError) in
      let port = try RunRequest.port(option: option, value)
      return (port.bus, port.configuration)
    }
    return hooks
  }
}

extension VirtualMachineOutcome {
  /// What the user is told at the end; nil where the end is what they meant.
  package var message: String? {
    switch self {
    case .poweredOff, .stoppedByUser, .debugExit: nil
    case .panicked: "the guest panicked"
    case .reset: "the guest reset itself"
    case .tripleFault: "the guest's CPU shut down on a triple fault"
    case .internalError(let report): report
    case .hostFailure(let text): text
    case .stopped(let signal): "ended by signal \(signal)"
    }
  }
}
