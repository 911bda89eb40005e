import Glibc
import Host
import SwiftVM

/// `swiftvm run`: from the request to the guest's end.
enum RunCommand {
  /// Boots the guest and waits for its end, which is told on standard error unless it powered off.
  static func perform(_ request: RunRequest) throws(ConfigurationError) -> ExitStatus {
    let configuration = try request.configuration { () throws(ConfigurationError) in
      try GuestImage.locate()
    }
    if configuration.panicPolicy != .proceed, !configuration.hasPanicDevice {
      Log.warning(
        "\(OptionName.action) panic= is without a device that tells of panics: add -device pvpanic")
    }
    let daemon = request.daemonizes ? try daemon() : nil
    let log = LossyLog()
    var hooks = hooks(for: request, log: log)
    hooks.whenStarted = { daemon?.detach() }
    let machine = try machine(configuration, hooks)
    // Not before: from now on no signal ends the process without removing it.
    let pidFile = try request.pidFilePath.map(pidFile)
    defer { withExtendedLifetime(pidFile) {} }
    let outcome = try machine.run()
    var lines: [String] = []
    if log.droppedLineCount > 0 {
      lines.append("swiftvm: warning: \(log.droppedLineCount) lines of diagnosis were dropped")
    }
    if request.printsStatistics {
      lines += StatisticsTable.lines(
        machine.consoleDeviceReports, serial: machine.serialPortReports)
    }
    if request.printsTimings {
      hooks.timings.mark("end")
      lines += hooks.timings.lines
    }
    if let message = outcome.message { lines.append("swiftvm: \(message)") }
    // What nobody reads must not keep the process.
    StandardError.write(lines.map { $0 + "\n" }.joined())
    return ExitStatus(outcome)
  }

  /// The machine, with a control socket by which the verbs find it if it has a name. Where that
  /// cannot be had, there is a warning: as in QEMU, a name alone stops no machine.
  private static func machine(
    _ configuration: VirtualMachineConfiguration, _ hooks: ProgramHooks
  ) throws(ConfigurationError) -> VirtualMachine {
    guard let name = configuration.name, let path = rendezvous(of: name) else {
      return try VirtualMachine(configuration, hooks)
    }
    var reachable = configuration
    reachable.controlSockets.append(.unixSocketServer(path: path))
    do throws(ConfigurationError) { return try VirtualMachine(reachable, hooks) } catch {
      guard error.option == OptionName.qmp, error.description.contains("'\(path)'") else {
        throw error
      }
      warn(name, error.problem)
      return try VirtualMachine(configuration, hooks)
    }
  }

  /// The path of that socket; nil, with a warning, where it cannot be had.
  private static func rendezvous(of name: String) -> String? {
    let directory = ControlDirectory.ofUser
    let path = directory.socket(of: name)
    do throws(ControlError) {
      try directory.make()
      guard ControlSession.isPossible(path) else {
        throw ControlError("\(path) is too long for a socket")
      }
      guard !ControlSession.isListening(at: path) else {
        throw ControlError("a machine of this name is running already")
      }
      return path
    } catch {
      warn(name, error.description)
      return nil
    }
  }

  private static func warn(_ name: String, _ reason: String) {
    Log.warning("swiftvm ports and its like cannot find '\(name)': \(reason); use --qmp PATH")
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
    hooks.endingSignals = [SIGINT, SIGTERM, SIGHUP].filter { !SignalSource.isIgnored($0) }
    hooks.powerDownSeconds = request.powerDownSeconds
    hooks.reportSignal = SIGUSR1
    hooks.report = { reports, serial in
      for line in StatisticsTable.lines(reports, serial: serial) { log.line(line) }
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
