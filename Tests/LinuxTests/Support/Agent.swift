/// Talks to guest-images/scripts/agent: a shell in the guest, behind a port.
final class Agent {
  struct Answer {
    let status: Int
    let output: String
  }

  private let client: PortClient

  init(_ client: PortClient) { self.client = client }

  /// Runs a command; returns what it printed, without the last line end. Fails if it does.
  @discardableResult
  func run(_ command: String, seconds: Double = 60) throws -> String {
    let answer = try answer(to: command, seconds: seconds)
    guard answer.status == 0 else {
      throw Failure("in the guest: \(command): status \(answer.status): \(answer.output)")
    }
    return answer.output
  }

  /// Runs a command, whatever comes of it.
  func answer(to command: String, seconds: Double = 60) throws -> Answer {
    try client.send(command + "\n")
    var lines: [String] = []
    while true {
      let line = try client.receiveLine(seconds: seconds)
      if line.hasPrefix("<<<exit "), line.hasSuffix(">>>"),
        let status = Int(line.dropFirst(8).dropLast(3))
      {
        return Answer(status: status, output: lines.joined(separator: "\n"))
      }
      lines.append(line)
    }
  }

  /// Says a command that ends the guest, and so has no answer.
  func say(_ command: String) throws { try client.send(command + "\n") }

  /// Starts a command that runs beside the following ones; `finish` has its result.
  func start(_ name: String, _ command: String) throws {
    try run(
      "rm -f /tmp/\(name).*; ( (\(command)) >/tmp/\(name).out 2>&1; echo $? >/tmp/\(name).status) &"
    )
  }

  /// Waits for what `start` started, and returns what it printed. Fails if it did, or does not end;
  /// the agent is there for others then, too.
  @discardableResult
  func finish(_ name: String, seconds: Int = 60) throws -> String {
    try run(
      "n=0; until [ -s /tmp/\(name).status ]; do usleep 20000;"
        + " [ $((n += 1)) -lt \(seconds * 50) ] || { echo \(name) does not end; exit 99; }; done;"
        + " cat /tmp/\(name).out; exit $(cat /tmp/\(name).status)", seconds: Double(seconds) * 2)
  }
}
