import Control
import Glibc
import Host
import SwiftVM

/// `swiftvm run`: from the request to the guest's end.
enum RunCommand {
  /// Boots the guest and waits for its end, which is told on standard error unless it powered off.
  static func perform(_ request: RunRequest) throws(UsageError) -> ExitStatus {
    let configuration = try request.configuration { () throws(ConfigurationError) in
      try GuestImage.locate()
    }
    if configuration.panicPolicy != .proceed, !configuration.hasPanicDevice {
      Log.warning(
        "-action panic= is without a device that tells of panics: add -device pvpanic")
    }
    let daemon = request.daemonizes ? try daemon() : nil
    let log = LossyLog()
    var hooks = hooks(for: request, log: log)
    hooks.whenStarted = { daemon?.detach() }
    let machine = try checked { () throws(ConfigurationError) in
      try Self.machine(configuration, hooks)
    }
    // Not before: from now on no signal ends the process without removing it.
    let pidFile = try request.pidFilePath.map(pidFile)
    defer { withExtendedLifetime(pidFile) {} }
    let outcome = try checked { () throws(ConfigurationError) in try machine.run() }
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
    // Lines that cannot be written must not keep the process.
    StandardError.write(lines.map { $0 + "\n" }.joined())
    return ExitStatus(outcome)
  }

  /// The machine, with a control socket by which the verbs find it if it has a name. Where that
  /// cannot be had, there is a warning: as in QEMU, a name alone stops no machine.
  private static func machine(
    _ configuration: VirtualMachineConfiguration, _ hooks: ProgramHooks
  ) throws(ConfigurationError) -> VirtualMachine {
    var reachable = configuration
    let path = configuration.name.flatMap { rendezvous(of: $0) }
    if let path { reachable.controlSockets.append(.unixSocketServer(path: path)) }
    let machine = try VirtualMachine(reachable, hooks)
    guard !reachable.controlSockets.isEmpty else { return machine }
    try ControlServer(machine, portParser) { error in
      let added = PropertyPath.root.controlSockets[configuration.controlSockets.count]
      guard let name = configuration.name, path != nil, error.property == added else {
        return false
      }
      warn(name, error.problem.description)
      return true
    }
    return machine
  }

  private static func checked<Result>(
    _ body: () throws(ConfigurationError) -> Result
  ) throws(UsageError) -> Result {
    do throws(ConfigurationError) { return try body() } catch { throw UsageError(error) }
  }

  /// What `swiftvm plug` has a machine read.
  private static var portParser: ControlServer.PortParser {
    ControlServer.PortParser { (option, value) throws(QMPError) in
      do throws(UsageError) {
        let port = try PortKeys.port(option: option, value)
        return (port.bus, port.configuration)
      } catch {
        throw QMPError(error.description)
      }
    } spell: {
      UsageError($0).description
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

  private static func daemon() throws(UsageError) -> Daemon {
    do throws(SystemError) { return try Daemon() } catch {
      throw UsageError("--daemonize", "", "the host refuses: \(error)", "leave it out")
    }
  }

  private static func pidFile(_ path: String) throws(UsageError) -> PIDFile {
    do throws(PIDFileError) { return try PIDFile(path: path) } catch {
      throw UsageError("--pidfile", path, error.description, "give another path")
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
    return hooks
  }
}
