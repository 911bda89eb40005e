import Chardev

/// Host ends that come and go.
enum ChardevCommands {
  static let all = [
    Command("query-chardev", alone: queryChardev),
    Command("query-chardev-backends", alone: queryBackends),
    Command("chardev-add", add),
    Command("chardev-change", change),
    Command("chardev-remove", remove),
    Command("chardev-send-break", sendBreak),
  ]

  private static func queryChardev(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    let chardevs: [JSONValue] = context.machine.chardevs.map { chardev in
      [
        "label": .string(chardev.label), "filename": .string(chardev.filename),
        "frontend-open": .bool(chardev.isFrontEndOpen),
      ]
    }
    return .value(.array(chardevs))
  }

  private static func queryBackends(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    .value(.array(ChardevBackend.allCases.map { ["name": .string($0.rawValue)] }))
  }

  private static func add(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let id = try newID(&arguments)
    guard !context.machine.chardevs.contains(where: { $0.label == id }) else {
      throw QMPError("Chardev with id '\(id)' already exists")
    }
    return try open(id, &arguments, context) { (machine, configuration) throws(QMPError) in
      do throws(QMPError) { return try machine.addChardev(configuration) } catch {
        throw QMPError(
          "Failed to add chardev '\(id)': \(error.description)", class: error.errorClass)
      }
    }
  }

  private static func change(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let id = try arguments.name("id")
    guard context.machine.chardevs.contains(where: { $0.label == id }) else {
      throw QMPError("Chardev '\(id)' does not exist")
    }
    return try open(id, &arguments, context) { (machine, configuration) throws(QMPError) in
      try machine.changeChardev(configuration)
    }
  }

  /// Makes the configuration that the arguments describe, and what it takes.
  private static func open(
    _ id: String, _ arguments: inout Arguments, _ context: CommandContext,
    _ make: (any MachineControl, ChardevConfiguration) throws(QMPError) -> String?
  ) throws(QMPError) -> Command.Outcome {
    var backend = try arguments.object("backend")
    try arguments.end()
    var reader = ChardevReader(id: id, descriptors: context.descriptors)
    var isMade = false
    defer { reader.conclude(isMade: isMade) }
    let configuration = try reader.configuration(&backend)
    if reader.opensHost(configuration) { try context.requireHost() }
    let path = try make(context.machine, configuration)
    isMade = true
    return .value(path.map { ["pty": .string($0)] } ?? [:])
  }

  private static func newID(_ arguments: inout Arguments) throws(QMPError) -> String {
    let id = try arguments.name("id")
    guard !id.isEmpty else { throw QMPError("Parameter 'id' expects an identifier") }
    return id
  }

  private static func remove(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let id = try existingID(&arguments, context)
    try context.machine.removeChardev(id: id)
    return .done
  }

  private static func sendBreak(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    context.machine.sendBreak(toChardev: try existingID(&arguments, context))
    return .done
  }

  private static func existingID(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> String {
    let id = try arguments.name("id")
    try arguments.end()
    guard context.machine.chardevs.contains(where: { $0.label == id }) else {
      throw QMPError("Chardev '\(id)' not found")
    }
    return id
  }
}

/// The backends that chardev-add knows, by QEMU's names.
enum ChardevBackend: String, CaseIterable {
  case file, memory, null, pipe, pty, ringbuf, socket, stdio, udp
}
