/// What `swiftvm` can have a running machine do.
package enum ControlVerb: String, CaseIterable, Sendable {
  case list
  case ports
  case connect
  case send
  case recv
  case waitOpen = "wait-open"
  case plug
  case unplug
  case pause
  case resume
  case reset
  case powerdown
  case stop

  /// The words that follow it besides options.
  var operands: [String] {
    switch self {
    case .list, .ports, .pause, .resume, .reset, .powerdown, .stop: []
    case .connect, .recv, .waitOpen: ["PORT"]
    case .send: ["PORT", "TEXT"]
    case .plug: ["KEY=VALUE,..."]
    case .unplug: ["ID"]
    }
  }

  private var summary: String {
    switch self {
    case .list: "show the machines that run by a --name"
    case .ports: "show what a machine's ports are doing"
    case .connect: "be a terminal to a port"
    case .send: "send a text to a port"
    case .recv: "print what comes from a port"
    case .waitOpen: "wait until the guest has opened a port"
    case .plug: "add a port to a running machine"
    case .unplug: "remove a port or a device"
    case .pause: "stop the guest for a while"
    case .resume: "let a paused guest go on"
    case .reset: "reset the guest"
    case .powerdown: "press the power button"
    case .stop: "end a machine at once"
    }
  }

  private var explanation: String {
    switch self {
    case .list: "Shows each machine that was started with a --name and runs."
    case .ports:
      "Shows each port: who has it open, what went through it, and what was dropped. \"behind\" is a"
        + " client that the guest waits for."
    case .connect:
      "Connects to a port's host end, if that is a listening socket or a pseudo-terminal, as one more"
        + " client: what is typed goes to the guest, what comes is shown. Ctrl-] ends it, and so does"
        + " the end of the input."
    case .send:
      "Sends a text and a line end to a port; with \"-\" the standard input, as it is. What the guest"
        + " does not take now waits for it."
    case .recv:
      "Prints what comes from a port, until the machine ends the connection, or as --lines and"
        + " --timeout say; of a ring buffer, first what it holds and nobody has read by QMP."
    case .waitOpen: "Waits until a program in the guest has opened the port."
    case .plug:
      "Adds a port; KEY=VALUE,... is the value of --virtserialport, or of --virtconsole with --console."
        + " Relative paths start from the current directory. Give id=ID to unplug it later."
    case .unplug:
      "Removes the port of this id at once, or asks the guest to let the device of this id go."
    case .pause: "Stops the guest until swiftvm resume. Nothing is lost."
    case .resume: "Lets a paused guest go on."
    case .reset: "Resets the guest, as the reset button would."
    case .powerdown: "Presses the power button, to which the guest answers as it likes."
    case .stop: "Ends the machine at once, as pulling the plug would."
    }
  }

  /// The command as the parser and the help know it.
  package var command: CommandDescription {
    CommandDescription(
      name: rawValue, arguments: (operands + ["[OPTIONS]"]).joined(separator: " "),
      summary: summary, explanation: explanation, options: options)
  }

  private var options: [CommandOption] {
    let own: [CommandOption] =
      switch self {
      case .recv: [VerbOption.lines, VerbOption.timeout]
      case .waitOpen: [VerbOption.timeout]
      case .plug: [VerbOption.console]
      default: []
      }
    let target = self == .list ? [] : [VerbOption.machine, VerbOption.control]
    return own + target + [OptionTable.help]
  }
}

/// The verbs' options.
package enum VerbOption {
  package static let machine = CommandOption(
    "--vm", "NAME", help: "The machine, by its --name. Without it, the only one that runs.")
  package static let control = CommandOption(
    "--control", "PATH", help: "The machine, by the path of its control socket (--qmp).")
  package static let timeout = CommandOption(
    "--timeout", "SECONDS", help: "How long to wait at most; as long as it takes by default.")
  package static let lines = CommandOption("--lines", "COUNT", help: "End after so many lines.")
  package static let console = CommandOption(
    "--console", help: "The port is a console (/dev/hvcN in the guest).")
}
