import Control

/// A client of the control socket, which gives one command after another in QMP.
final class QMPClient {
  private let client: PortClient
  /// Those that came while something else was waited for, the oldest first.
  private var events: [JSONValue] = []

  /// Connects as soon as somebody listens there, and takes the greeting.
  init(_ path: String) throws {
    client = try PortClient(path)
    let greeting = try message(Deadline(seconds: 30))
    guard greeting["QMP"] != nil else { throw Failure("no greeting, but \(greeting.printed)") }
    try execute("qmp_capabilities")
  }

  /// Gives a command, and returns what it returns. Fails if it does.
  @discardableResult
  func execute(_ command: String, _ arguments: JSONValue = [:]) throws -> JSONValue {
    let reply = try reply(to: command, arguments)
    guard let value = reply["return"] else { throw Failure("\(command): \(reply.printed)") }
    return value
  }

  /// Gives a command that is to be refused, and returns the error's text.
  func refusal(of command: String, _ arguments: JSONValue = [:]) throws -> String {
    let reply = try reply(to: command, arguments)
    guard let text = reply["error"]?["desc"]?.text else {
      throw Failure("\(command) is not refused: \(reply.printed)")
    }
    return text
  }

  /// Waits for an event of that name, which may have come already. It and those before it are
  /// forgotten.
  func awaitEvent(
    _ name: String, seconds: Double = 60, where isMeant: (JSONValue) -> Bool = { _ in true }
  ) throws {
    let deadline = Deadline(seconds: seconds)
    while true {
      let found = events.firstIndex { event in
        event["event"] == .string(name) && isMeant(event["data"] ?? [:])
      }
      if let found { return events.removeSubrange(...found) }
      let message: JSONValue
      do { message = try self.message(deadline) } catch {
        throw Failure("no \(name) (\(error)), but \(events.map(\.printed))")
      }
      guard message["event"] != nil else { throw Failure("unasked: \(message.printed)") }
      events.append(message)
    }
  }

  private func reply(to command: String, _ arguments: JSONValue) throws -> JSONValue {
    let request: JSONValue = ["execute": .string(command), "arguments": arguments]
    try client.send(request.printed + "\n")
    let deadline = Deadline(seconds: 60)
    while true {
      let message = try message(deadline)
      guard message["event"] != nil else { return message }
      events.append(message)
    }
  }

  private func message(_ deadline: Deadline) throws -> JSONValue {
    try JSONParser.parse(Array(client.receiveLine(seconds: deadline.secondsLeft).utf8))
  }
}
