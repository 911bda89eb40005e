import Control
import Glibc
import Host

/// What `swiftvm` has a running machine do, a row each.
struct Verb: Equatable, Sendable {
  let name: String
  let perform: Action

  typealias Action = @Sendable (VerbRequest) throws(ControlError) -> Void

  /// By name, which no two verbs share.
  static func == (first: Verb, second: Verb) -> Bool { first.name == second.name }

  static let all = [
    verb(
      "list", finds: false, summary: "show the machines that run by a --name",
      explanation: "Shows each machine that was started with a --name and runs."
    ) { (_) throws(ControlError) in try show(ControlDirectory.ofUser.runningMachines) },
    verb(
      "ports", summary: "show what a machine's ports are doing",
      explanation: "Shows each port: who has it open, what went through it, and what was dropped."
        + " \"behind\" is a client that the guest waits for."
    ) { (request) throws(ControlError) in
      try show(StatisticsTable.lines(try request.execute("x-swiftvm-query-ports")))
    },
    verb(
      "connect", ["PORT"], summary: "be a terminal to a port",
      explanation: "Connects to a port's backend, if that is a listening socket or a"
        + " pseudo-terminal, as one more client: what is typed goes to the guest, what comes is"
        + " shown. Ctrl-] ends it, and so does the end of the input."
    ) { (request) throws(ControlError) in try request.stream().relayAtTerminal() },
    verb(
      "send", ["PORT", "TEXT"], summary: "send a text to a port",
      explanation: "Sends a text and a line end to a port; with \"-\" the standard input, as it is."
        + " What the guest does not take now waits for it."
    ) { (request) throws(ControlError) in
      let stream = try request.stream()
      let text = request.operands.last ?? ""
      if text == "-" { try stream.sendInput() } else { try stream.send((text + "\n").utf8) }
    },
    verb(
      "recv", ["PORT"], options: [VerbOption.lines, VerbOption.timeout],
      summary: "print what comes from a port",
      explanation: "Prints what comes from a port, until the machine ends the connection, or as"
        + " --lines and --timeout say; of a ring buffer, first what it holds and no QMP client has"
        + " read."
    ) { (request) throws(ControlError) in
      guard try request.stream().receive(lines: request.lines, seconds: request.timeout) else {
        throw ControlError("port '\(request.operand)' has not sent what was waited for")
      }
    },
    verb(
      "wait-open", ["PORT"], options: [VerbOption.timeout],
      summary: "wait until the guest has opened a port",
      explanation: "Waits until a program in the guest has opened the port."
    ) { (request) throws(ControlError) in
      let timeout: JSONValue? = request.timeout.map { .number("\($0)") }
      try request.execute(
        "x-swiftvm-wait-open", ["port": .string(request.operand), "timeout": timeout], waits: true)
    },
    verb(
      "plug", ["KEY=VALUE,..."], options: [VerbOption.console],
      summary: "add a port to a running machine",
      explanation:
        "Adds a port; KEY=VALUE,... is the value of --virtserialport, or of --virtconsole"
        + " with --console. Relative paths start from the current directory. Give id=ID to unplug it"
        + " later."
    ) { (request) throws(ControlError) in
      guard let directory = getcwd(nil, 0) else {
        throw ControlError("\(SystemError.current("getcwd"))")
      }
      defer { free(directory) }
      try request.execute(
        "x-swiftvm-plug",
        [
          "option": request.isConsole ? "virtconsole" : "virtserialport",
          "value": .string(request.operand), "directory": .string(String(cString: directory)),
        ])
    },
    verb(
      "unplug", ["ID"], summary: "remove a port or a device",
      explanation:
        "Removes the port of this id at once, or asks the guest to let the device of this id go."
    ) { (request) throws(ControlError) in
      try request.execute("device_del", ["id": .string(request.operand)])
    },
    verb(
      "pause", does: "stop", summary: "stop the guest for a while",
      explanation: "Stops the guest until swiftvm resume. Nothing is lost."),
    verb(
      "resume", does: "cont", summary: "let a paused guest go on",
      explanation: "Lets a paused guest go on."),
    verb(
      "reset", does: "system_reset", summary: "reset the guest",
      explanation: "Resets the guest, as the reset button would."),
    verb(
      "powerdown", does: "system_powerdown", summary: "press the power button",
      explanation: "Presses the power button, to which the guest answers as it likes."),
    verb(
      "stop", does: "quit", summary: "end a machine at once",
      explanation: "Ends the machine at once, as pulling the plug would."),
  ]

  /// A verb that is one QMP command without arguments.
  static func verb(
    _ name: String, does command: String, summary: String, explanation: String
  ) -> CommandDescription {
    verb(name, summary: summary, explanation: explanation) { (request) throws(ControlError) in
      try request.execute(command)
    }
  }

  /// A verb with an action of its own.
  ///
  /// - Parameter finds: whether it is for one machine, which options name.
  private static func verb(
    _ name: String, _ operands: [String] = [], options: [CommandOption] = [], finds: Bool = true,
    summary: String, explanation: String, action: @escaping Action
  ) -> CommandDescription {
    let verb = Verb(name: name, perform: action)
    let target = finds ? [VerbOption.machine, VerbOption.control] : []
    return CommandDescription(
      name, operands, arguments: (operands + ["[OPTIONS]"]).joined(separator: " "),
      summary: summary, explanation: explanation, options: options + target + [.help]
    ) { (given) throws(UsageError) in .control(try VerbRequest(verb, given)) }
  }

  private static func show(_ lines: [String]) throws(ControlError) {
    guard StandardOutput.write(lines.map { $0 + "\n" }.joined()) else {
      throw ControlError("standard output failed", isTold: true)
    }
  }
}

enum VerbOption {
  static let machine = CommandOption(
    "--vm", "NAME", help: "The machine, by its --name. Without it, the only one that runs.")
  static let control = CommandOption(
    "--control", "PATH", help: "The machine, by the path of its control socket (--qmp).")
  static let timeout = CommandOption(
    "--timeout", "SECONDS", help: "How long to wait at most; as long as it takes by default.")
  static let lines = CommandOption("--lines", "COUNT", help: "End after so many lines.")
  static let console = CommandOption(
    "--console", help: "The port is a console (/dev/hvcN in the guest).")
}

/// A verb with what it was given.
struct VerbRequest: Equatable, Sendable {
  let verb: Verb
  /// The words that are no options, as many as the verb has.
  let operands: [String]
  let machine: String?
  let control: String?
  /// How long to wait, in seconds.
  let timeout: Double?
  let lines: Int?
  let isConsole: Bool

  fileprivate init(_ verb: Verb, _ given: Invocation) throws(UsageError) {
    self.verb = verb
    operands = given.operands
    machine = given[VerbOption.machine]
    control = given[VerbOption.control]
    isConsole = given[VerbOption.console] != nil
    timeout = try Self.number(given, VerbOption.timeout, of: "seconds", "10") {
      Double($0).flatMap { (0...1e9).contains($0) ? $0 : nil }
    }
    lines = try Self.number(given, VerbOption.lines, of: "lines", "1") {
      Int($0).flatMap { $0 > 0 ? $0 : nil }
    }
    guard machine == nil || control == nil else {
      throw UsageError(
        VerbOption.control.name, control ?? "", "the machine is named twice",
        "give --vm or --control")
    }
  }

  private static func number<Number>(
    _ given: Invocation, _ option: CommandOption, of unit: String, _ example: String,
    read: (String) -> Number?
  ) throws(UsageError) -> Number? {
    guard let text = given[option] else { return nil }
    guard let number = read(text) else {
      throw UsageError(
        option.name, text, "this is not a number of \(unit)",
        "give e.g. \(option.name) \(example)")
    }
    return number
  }

  /// Does it; an error is told on standard error.
  func perform() -> ExitStatus {
    SignalSource.ignoreWriteFailures()
    do throws(ControlError) {
      try verb.perform(self)
      return .success
    } catch {
      if !error.isTold {
        StandardError.write("swiftvm: \(verb.name): \(PlainText.escaped(error.description))\n")
      }
      return .hostFailure
    }
  }

  fileprivate var operand: String { operands.first ?? "" }

  /// Gives the machine a command, and waits for its reply.
  @discardableResult
  fileprivate func execute(
    _ command: String, _ arguments: JSONValue = [:], waits: Bool = false
  ) throws(ControlError) -> JSONValue {
    try ControlSession(path: try socketPath).execute(command, arguments, waits: waits)
  }

  /// A connection to the port that is meant.
  fileprivate func stream() throws(ControlError) -> PortStream {
    let session = try ControlSession(path: try socketPath)
    try session.execute("x-swiftvm-connect", ["port": .string(operand)])
    guard let descriptor = session.takeDescriptor() else {
      throw ControlError("the machine has given no connection")
    }
    return PortStream(descriptor)
  }

  private var socketPath: String {
    get throws(ControlError) {
      if let control { return control }
      let directory = ControlDirectory.ofUser
      if let machine {
        guard directory.names.contains(machine) else {
          throw ControlError("no machine named '\(machine)' is running; see swiftvm list")
        }
        return directory.socket(of: machine)
      }
      let running = directory.runningMachines
      guard let first = running.first else {
        throw ControlError(
          "no machine is running that was started with --name; give --control PATH, or start one so"
        )
      }
      guard running.count == 1 else {
        throw ControlError(
          "\(running.count) machines are running; give --vm NAME, see swiftvm list")
      }
      return directory.socket(of: first)
    }
  }
}
