import Control
import Glibc
import Host

/// A client of a machine's control socket that has negotiated, and gives one command after another.
/// Events are kept until they are asked for.
package final class QMPClient {
  private let client: LineClient
  /// Those that came while something else was waited for, the oldest first.
  private var events: [String] = []

  /// Connects as soon as a listener is there.
  package init(_ path: String) throws {
    client = LineClient(try SocketClient(path))
    guard client.line(seconds: 30)?.contains(#""QMP""#) == true, ask("qmp_capabilities") == "{}"
    else { throw SystemError("QMP at " + path, errno: EPROTO) }
  }

  // MARK: - Commands as texts

  /// Gives a command; returns its value, or its error's text.
  package func ask(_ command: String, _ arguments: String = "{}", passing descriptor: Int32? = nil)
    -> String?
  {
    guard let line = reply(to: command, arguments, passing: descriptor) else { return nil }
    if let value = line.between(#"{"return": "#, "}") { return value }
    return line.between(#"{"error": {"class": ""#, #""}}"#).flatMap { problem in
      problem.ranges(of: #"", "desc": ""#).first.map { String(problem[$0.upperBound...]) }
    }
  }

  /// The first event of this name that has not been asked for: its data, empty for none. Waits for
  /// one.
  package func event(_ name: String) -> String? {
    let mark = #""event": "\#(name)""#
    while true {
      if let place = events.firstIndex(where: { $0.contains(mark) }) {
        let event = events.remove(at: place)
        return event.ranges(of: mark).first.map { range in
          String(event[range.upperBound...]).between(#", "data": "#, "}") ?? ""
        }
      }
      guard let line = client.line() else { return nil }
      events.append(line)
    }
  }

  /// Whether an event of this name with this data is among those not asked for, or comes.
  package func heard(_ name: String, _ data: String) -> Bool {
    while let found = event(name) { if found == data { return true } }
    return false
  }

  /// A descriptor that came with a reply.
  package func takeDescriptor() -> Int32? { client.takeDescriptor() }

  // MARK: - Commands as values

  /// Gives a command, and returns what it returns. Fails if it does.
  @discardableResult
  package func execute(_ command: String, _ arguments: JSONValue = [:]) throws -> JSONValue {
    let reply = try parsedReply(to: command, arguments)
    guard let value = reply["return"] else { throw Failure("\(command): \(reply.printed)") }
    return value
  }

  /// Gives a command that is to be refused, and returns the error's text.
  package func refusal(of command: String, _ arguments: JSONValue = [:]) throws -> String {
    let reply = try parsedReply(to: command, arguments)
    guard let text = reply["error"]?["desc"]?.text else {
      throw Failure("\(command) is not refused: \(reply.printed)")
    }
    return text
  }

  /// Waits for an event of that name, which may have come already. It and those before it are
  /// forgotten.
  package func awaitEvent(
    _ name: String, seconds: Double = 60, where isMeant: (JSONValue) -> Bool = { _ in true }
  ) throws {
    let deadline = Deadline(seconds: seconds)
    while true {
      let found = try events.firstIndex { line in
        let event = try JSONParser.parse(Array(line.utf8))
        return event["event"] == .string(name) && isMeant(event["data"] ?? [:])
      }
      if let found { return events.removeSubrange(...found) }
      guard let line = client.line(seconds: deadline.secondsLeft) else {
        throw Failure("no \(name), but \(events)")
      }
      events.append(line)
    }
  }

  private func parsedReply(to command: String, _ arguments: JSONValue) throws -> JSONValue {
    guard let line = reply(to: command, arguments.printed, seconds: 60) else {
      throw Failure("\(command): no reply within a minute")
    }
    return try JSONParser.parse(Array(line.utf8))
  }

  /// The line that replies to a command; nil where none comes.
  private func reply(
    to command: String, _ arguments: String, passing descriptor: Int32? = nil, seconds: Double = 20
  ) -> String? {
    client.send(
      #"{"execute": "\#(command)", "arguments": \#(arguments)}"# + "\n", passing: descriptor)
    while let line = client.line(seconds: seconds) {
      if line.hasPrefix(#"{"return""#) || line.hasPrefix(#"{"error""#) { return line }
      events.append(line)
    }
    return nil
  }
}

extension String {
  /// What is between a beginning and an end, if the text has both.
  package func between(_ start: String, _ end: String) -> String? {
    guard hasPrefix(start), hasSuffix(end) else { return nil }
    return String(dropFirst(start.count).dropLast(end.count))
  }
}
