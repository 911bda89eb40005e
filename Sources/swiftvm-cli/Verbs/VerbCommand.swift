import Control
import Glibc
import Host
import SwiftVM

/// Has a running machine do something.
enum VerbCommand {
  static func perform(_ request: VerbRequest) -> ExitStatus {
    SignalSource.ignoreWriteFailures()
    do throws(ControlError) {
      if request.verb == .list { return show(runningMachines) }
      let session = try ControlSession(path: try socketPath(request))
      return try perform(request, session)
    } catch {
      StandardError.write(
        "swiftvm: \(request.verb.rawValue): \(PlainText.escaped(error.description))\n")
      return .hostFailure
    }
  }

  private static func perform(
    _ request: VerbRequest, _ session: ControlSession
  ) throws(ControlError) -> ExitStatus {
    let operand = request.operands.first ?? ""
    switch request.verb {
    case .list: break
    case .ports: return show(PortTable.lines(try session.execute("x-swiftvm-query-ports")))
    case .connect: try relay(try stream(to: operand, session))
    case .send:
      let stream = try stream(to: operand, session)
      let text = request.operands.last ?? ""
      if text == "-" { try stream.sendInput() } else { try stream.send((text + "\n").utf8) }
    case .recv:
      let stream = try stream(to: operand, session)
      guard stream.receive(lines: request.lines, seconds: request.timeout) else {
        throw ControlError("port '\(operand)' has not sent what was waited for")
      }
    case .waitOpen: try waitOpen(operand, seconds: request.timeout, session)
    case .plug: try plug(request, session)
    case .unplug: try session.execute("device_del", ["id": .string(operand)])
    case .pause: try session.execute("stop")
    case .resume: try session.execute("cont")
    case .reset: try session.execute("system_reset")
    case .powerdown: try session.execute("system_powerdown")
    case .stop: try session.execute("quit")
    }
    return .success
  }

  private static func show(_ lines: [String]) -> ExitStatus {
    StandardOutput.write(lines.map { $0 + "\n" }.joined()) ? .success : .hostFailure
  }

  // MARK: Which machine

  private static func socketPath(_ request: VerbRequest) throws(ControlError) -> String {
    if let path = request.control { return path }
    let directory = ControlDirectory.ofUser
    if let name = request.machine {
      guard directory.names.contains(name) else {
        throw ControlError("no machine named '\(name)' is running; see swiftvm list")
      }
      return directory.socket(of: name)
    }
    let running = runningMachines
    guard let first = running.first else {
      throw ControlError(
        "no machine is running that was started with --name; give --control PATH, or start one so")
    }
    guard running.count == 1 else {
      throw ControlError("\(running.count) machines are running; give --vm NAME, see swiftvm list")
    }
    return directory.socket(of: first)
  }

  /// The names of those that listen.
  private static var runningMachines: [String] {
    let directory = ControlDirectory.ofUser
    return directory.names.filter { ControlSession.isListening(at: directory.socket(of: $0)) }
  }

  // MARK: Ports

  private static func stream(
    to port: String, _ session: ControlSession
  ) throws(ControlError) -> PortStream {
    try session.execute("x-swiftvm-connect", ["port": .string(port)])
    guard let descriptor = session.takeDescriptor() else {
      throw ControlError("the machine has given no connection")
    }
    return PortStream(descriptor)
  }

  private static func relay(_ stream: borrowing PortStream) throws(ControlError) {
    guard Terminal.isTerminal(STDIN_FILENO) else { return try stream.relay() }
    StandardError.write("swiftvm: connected; Ctrl-] ends it\n")
    let terminal: Terminal
    do throws(SystemError) { terminal = try Terminal(rawModeOn: STDIN_FILENO) } catch {
      throw ControlError(error.description)
    }
    try stream.relay()
    _ = consume terminal
    StandardError.write("\n")
  }

  private static func waitOpen(
    _ port: String, seconds: Double?, _ session: ControlSession
  ) throws(ControlError) {
    var arguments: JSONObject = JSONObject()
    arguments.append("port", .string(port))
    if let seconds { arguments.append("timeout", .number("\(seconds)")) }
    try session.execute("x-swiftvm-wait-open", .object(arguments), waits: true)
  }

  private static func plug(
    _ request: VerbRequest, _ session: ControlSession
  ) throws(ControlError) {
    guard let directory = getcwd(nil, 0) else {
      throw ControlError("\(SystemError.current("getcwd"))")
    }
    defer { free(directory) }
    try session.execute(
      "x-swiftvm-plug",
      [
        "option": request.isConsole ? "virtconsole" : "virtserialport",
        "value": .string(request.operands.first ?? ""),
        "directory": .string(String(cString: directory)),
      ])
  }
}
