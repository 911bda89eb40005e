import TestSupport

/// Talks to guest-images/scripts/agent: a shell in the guest, behind a port.
final class Agent {
  struct Answer {
    let status: Int
    let output: String
  }

  private let client: SocketClient

  init(_ client: SocketClient) { self.client = client }

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
    try client.sendAll(command + "\n")
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

  /// Runs a command while the agent has its port closed, for what an open port forbids; its clients
  /// notice nothing.
  @discardableResult
  func runClosed(_ command: String, seconds: Double = 60) throws -> String {
    try run("echo \(Self.quoted(command)) >/tmp/closed", seconds: seconds)
  }

  private static func quoted(_ text: String) -> String {
    let pieces = text.split(separator: "'", omittingEmptySubsequences: false)
    return "'" + pieces.joined(separator: "'\\''") + "'"
  }

  /// Says a command that ends the guest, and so has no answer.
  func say(_ command: String) throws { try client.sendAll(command + "\n") }

  /// Starts a command that runs beside the following ones; `finish` has its result.
  func start(_ name: String, _ command: String) throws {
    try run(
      "rm -f /tmp/\(name).*; ( (\(command)) >/tmp/\(name).out 2>&1; echo $? >/tmp/\(name).status) &"
    )
  }

  /// Starts one program, beside the following commands, that can be looked at and stopped.
  func startProgram(_ name: String, _ program: String) throws {
    try start(name, "exec sh -c \(Self.quoted("echo $$ >/tmp/\(name).pid; exec \(program)"))")
  }

  /// Ends a program.
  func stop(_ name: String) throws {
    try run("kill $(cat /tmp/\(name).pid)")
    try wait(until: "[ -s /tmp/\(name).status ]", "the end of \(name)")
  }

  /// The system calls that a program may sleep in.
  enum SystemCall: Int {
    case read = 0
    case write = 1
  }

  /// Waits until a program sleeps in that call.
  func wait(for name: String, toSleepIn call: SystemCall) throws {
    try wait(
      until: "read pid </tmp/\(name).pid && read number rest </proc/$pid/syscall"
        + " && [ $number = \(call.rawValue) ]", "\(name) to sleep in \(call)")
  }

  /// Waits until what was started has printed so many lines, and returns the last of them.
  func line(_ number: Int, of name: String) throws -> String {
    try wait(until: "[ $(wc -l </tmp/\(name).out) -ge \(number) ]", "line \(number) of \(name)")
    return try run("sed -n \(number)p /tmp/\(name).out")
  }

  /// Waits until a shell command succeeds.
  func wait(until condition: String, _ what: String, seconds: Int = 60) throws {
    let waiting =
      "n=0; until \(condition); do usleep 20000; [ $((n += 1)) -lt \(seconds * 50) ] || exit 1; done"
    let answer = try answer(to: waiting, seconds: Double(seconds) * 2)
    guard answer.status == 0 else { throw Failure("in the guest: waited in vain for \(what)") }
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
