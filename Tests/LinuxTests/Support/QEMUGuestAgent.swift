import FoundationEssentials
import TestSupport

/// Talks to qemu-guest-agent: a line of JSON each way (QEMU's qga/qapi-schema.json).
final class QEMUGuestAgent {
  private struct Reply<Value: Decodable>: Decodable {
    struct Refusal: Decodable { let desc: String }
    let `return`: Value?
    let error: Refusal?
  }

  /// What a command without a value returns.
  struct Nothing: Decodable {}

  private let client: SocketClient
  static let timesOut = 60.0

  init(_ client: SocketClient) { self.client = client }

  /// Begins anew, whatever earlier clients have left: the agent drops half a command of theirs, and
  /// its answers to them end with the byte 0xFF, which is not UTF-8.
  func synchronize(_ number: Int, seconds: Double = timesOut) throws {
    try client.sendAll([0xFF])
    try say("guest-sync-delimited", "{\"id\": \(number)}")
    while true {
      let line = try client.receiveLine(seconds: seconds)
      guard let delimiter = line.lastIndex(of: "\u{FFFD}") else { continue }
      if try value(line[line.index(after: delimiter)...], Int.self) == number { return }
    }
  }

  /// Sends a command.
  func say(_ command: String, _ arguments: String = "{}") throws {
    try client.sendAll("{\"execute\": \"\(command)\", \"arguments\": \(arguments)}\n")
  }

  /// Runs a command and returns what it does.
  func execute<Value: Decodable>(
    _ command: String, _ arguments: String = "{}", as type: Value.Type = Value.self
  ) throws -> Value {
    try say(command, arguments)
    return try value(client.receiveLine(seconds: Self.timesOut), type)
  }

  private func value<Value: Decodable>(_ line: some StringProtocol, _ type: Value.Type) throws
    -> Value
  {
    let reply = try JSONDecoder().decode(Reply<Value>.self, from: Data(line.utf8))
    guard let value = reply.return else {
      throw Failure("qemu-guest-agent: \(reply.error?.desc ?? String(line))")
    }
    return value
  }
}

extension QEMUGuestAgent {
  /// How a program in the guest ended, and what it printed.
  struct Execution {
    let status: Int
    let output: String
    let errors: String
  }

  private struct Process: Decodable { let pid: Int }

  private struct State: Decodable {
    let exited: Bool
    let exitcode: Int?
    let outData: String?
    let errData: String?

    enum CodingKeys: String, CodingKey {
      case exited, exitcode
      case outData = "out-data"
      case errData = "err-data"
    }
  }

  /// Runs a shell command in the guest through guest-exec.
  func run(_ command: String) throws -> Execution {
    let process: Process = try execute(
      "guest-exec",
      "{\"path\": \"/bin/sh\", \"arg\": [\"-c\", \"\(command)\"], \"capture-output\": true}")
    let deadline = Deadline(seconds: Self.timesOut)
    while true {
      let state: State = try execute("guest-exec-status", "{\"pid\": \(process.pid)}")
      if state.exited {
        return Execution(
          status: state.exitcode ?? -1, output: Self.text(state.outData),
          errors: Self.text(state.errData))
      }
      guard !deadline.hasPassed else { throw deadline.failure("the end of \(command)") }
    }
  }

  private static func text(_ base64: String?) -> String {
    String(decoding: base64.flatMap { Data(base64Encoded: $0) } ?? Data(), as: UTF8.self)
  }
}
