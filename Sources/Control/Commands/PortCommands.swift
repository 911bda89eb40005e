/// What QEMU does not tell of ports.
enum PortCommands {
  static let all = [
    Command("x-swiftvm-query-ports", alone: queryPorts),
    Command("x-swiftvm-wait-open", waitOpen),
    Command("x-swiftvm-connect", connect),
    Command("x-swiftvm-plug", plug),
  ]

  private static func queryPorts(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    .value(.array(context.machine.ports.map(json)))
  }

  private static func json(_ port: PortStatus) -> JSONValue {
    var json = JSONObject()
    json.append("device", .string(port.device))
    json.append("nr", .integer(port.number))
    if let id = port.id { json.append("id", .string(id)) }
    if let name = port.name { json.append("name", .string(name)) }
    json.append("console", .bool(port.isConsole))
    json.append("guest-open", .bool(port.isOpenInGuest))
    json.append("host-open", .bool(port.isOpenOnHost))
    json.append("throttled", .bool(port.isThrottled))
    json.append("chardev", .string(port.chardev))
    json.append("filename", .string(port.filename))
    json.append("bytes-to-host", .integer(port.bytesToHost))
    json.append("bytes-to-guest", .integer(port.bytesToGuest))
    json.append("bytes-dropped", .integer(port.bytesDropped))
    json.append("bytes-discarded", .integer(port.bytesDiscarded))
    json.append("throttles", .integer(port.throttleCount))
    json.append("connections", .integer(port.connectionCount))
    json.append("clients-waiting", .integer(port.waitingClientCount))
    json.append("clients-queued", .integer(port.queuedClientCount))
    return .object(json)
  }

  /// Replies once the guest has the port open, or at once where it has.
  private static func waitOpen(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let word = try arguments.portName("port")
    let milliseconds = try arguments.optionalTimeout("timeout")
    try arguments.end()
    try requirePort(word, context)
    return .later(
      Command.Wait(
        milliseconds: milliseconds,
        lateReply: QMPError("the guest has not opened port '\(word)' within the timeout")
      ) { [weak machine = context.machine] in
        guard let machine else { return nil }
        guard let isOpen = machine.isOpenInGuest(port: word) else {
          return .failure(notFound(word))
        }
        return isOpen ? .success([:]) : nil
      })
  }

  /// Replies with a connection to the port's host end.
  private static func connect(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let word = try arguments.portName("port")
    try arguments.end()
    try requirePort(word, context)
    guard context.carriesDescriptors else {
      throw QMPError("a connection can be passed on over a Unix socket only; use one")
    }
    return .descriptor(PassedDescriptor(try context.machine.connect(toPort: word)))
  }

  private static func plug(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let option = try arguments.name("option")
    let value = try arguments.text("value")
    let directory = try arguments.text("directory")
    try arguments.end()
    try context.machine.plug(option: option, value: value, directory: directory) {
      (port) throws(QMPError) in if port.opensHost { try context.requireHost() }
    }
    return .done
  }

  private static func requirePort(
    _ word: String, _ context: CommandContext
  ) throws(QMPError) {
    guard context.machine.isOpenInGuest(port: word) != nil else { throw notFound(word) }
  }

  private static func notFound(_ word: String) -> QMPError {
    QMPError("there is no port '\(word)'", class: .deviceNotFound)
  }
}
