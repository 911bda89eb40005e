/// Every command there is.
enum CommandTable {
  static let all: [Command] =
    StatusCommands.all + InformationCommands.all + ChardevCommands.all + RingBufferCommands.all
    + DeviceCommands.all + DescriptorCommands.all + PortCommands.all + [
      Command("query-commands", alone: queryCommands),
      Command("human-monitor-command", refuseHumanMonitor),
    ]

  // String keys: the program's own words; `QMPRequest` bounds what is looked up.
  private static let byName = Dictionary(
    all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

  /// The command of a name.
  static func command(_ name: String) throws(QMPError) -> Command {
    guard let command = byName[name] else {
      throw QMPError("The command \(name) has not been found", class: .commandNotFound)
    }
    return command
  }

  private static func queryCommands(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    let names = ["qmp_capabilities"] + all.map(\.name)
    return .value(.array(names.sorted().map { ["name": .string($0)] }))
  }

  private static func refuseHumanMonitor(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let line = try arguments.text("command-line")
    _ = try arguments.optionalInteger("cpu-index")
    try arguments.end()
    throw QMPError(
      "there is no human monitor for '\(line)'; use QMP commands, see query-commands")
  }
}
