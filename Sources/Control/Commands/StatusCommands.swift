/// What concerns the machine as a whole: running, stopping, ending.
enum StatusCommands {
  static let all = [
    Command("query-status", alone: queryStatus),
    Command("stop", alone: stop),
    Command("cont", alone: cont),
    Command("system_reset", alone: reset),
    Command("system_powerdown", alone: powerDown),
    Command("quit", alone: quit),
  ]

  private static func queryStatus(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    let state = context.machine.runState
    return .value([
      "status": .string(state.rawValue), "singlestep": false, "running": .bool(state == .running),
    ])
  }

  private static func stop(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    try context.machine.pauseGuest()
    return .done
  }

  private static func cont(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    try context.machine.resumeGuest()
    return .done
  }

  private static func reset(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    try context.machine.resetGuest()
    return .done
  }

  private static func powerDown(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    try context.machine.pressPowerButtonOfGuest()
    return .done
  }

  private static func quit(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    context.machine.quit()
    return .done
  }
}
