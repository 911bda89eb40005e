/// Descriptors that clients pass along (SCM_RIGHTS).
enum DescriptorCommands {
  static let all = [
    Command("getfd", getfd),
    Command("closefd", closefd),
    Command("add-fd", addFD),
    Command("remove-fd", removeFD),
    Command("query-fdsets", alone: querySets),
  ]

  private static func getfd(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let name = try arguments.name("fdname")
    try arguments.end()
    let descriptor = try context.passed.takeFirst()
    if let first = name.utf8.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) {
      throw QMPError("Parameter 'fdname' expects a name not starting with a digit")
    }
    try context.descriptors.add(descriptor, named: name)
    return .done
  }

  private static func closefd(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let name = try arguments.name("fdname")
    try arguments.end()
    try context.descriptors.close(named: name)
    return .done
  }

  private static func addFD(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let set = try arguments.optionalInteger("fdset-id")
    let opaque = try arguments.optionalText("opaque")
    try arguments.end()
    let descriptor = try context.passed.takeFirst()
    guard (set ?? 0) >= 0 else {
      throw QMPError("Parameter 'fdset-id' expects a non-negative value")
    }
    let id = try context.descriptors.add(descriptor, toSet: set, opaque: opaque)
    return .value(["fdset-id": .integer(id), "fd": .integer(descriptor.number)])
  }

  private static func removeFD(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let set = try arguments.integer("fdset-id")
    let number = try arguments.optionalInteger("fd")
    try arguments.end()
    try context.descriptors.remove(set: set, number: number)
    return .done
  }

  private static func querySets(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    let sets = context.descriptors.sets.sorted { $0.key < $1.key }
    return .value(
      .array(
        sets.map { id, entries in
          ["fdset-id": .integer(id), "fds": .array(entries.map(json))]
        }))
  }

  private static func json(_ entry: DescriptorStore.Entry) -> JSONValue {
    var json: JSONObject = JSONObject()
    json.append("fd", .integer(entry.descriptor.number))
    if let opaque = entry.opaque { json.append("opaque", .string(opaque)) }
    return .object(json)
  }
}
