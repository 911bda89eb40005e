import Host

/// The protocol with one client, from its first byte on: QEMU's QMP (docs/interop/qmp-spec), the
/// capability `oob` not offered. Pure: bytes in, steps out.
///
/// Stricter than QEMU's in one respect: a byte that cannot begin a JSON object ends the session, and
/// so does any error before `qmp_capabilities`. Nothing that follows is carried out. So a program
/// that speaks another protocol, such as a web browser, gives no commands by what it quotes.
struct QMPSession {
  /// What is to be done next.
  enum Step: Equatable {
    /// Send this.
    case reply(JSONValue)
    /// Carry this out, and reply.
    case command(QMPRequest)
    /// Send this, and close the connection.
    case end(JSONValue)
  }

  /// What may mark a reply: it comes back, perhaps six times as long.
  static let largestID = 4096

  private var framer = JSONFramer()
  /// Whether the client has ended the negotiation: commands are taken, and events are sent.
  private(set) var isReady = false
  private var hasEnded = false

  /// What the client gets first.
  static func greeting(version: JSONValue) -> JSONValue {
    ["QMP": ["version": version, "capabilities": []]]
  }

  /// Takes what has arrived, once `next` has returned nil.
  mutating func append(_ bytes: some Collection<UInt8>) { framer.append(bytes) }

  /// Whether nothing of another message has arrived behind the last one.
  var isBetweenMessages: Bool { framer.isBetweenObjects }

  /// What to do next; nil until more arrives, and for good after an `end`.
  mutating func next() -> Step? {
    guard !hasEnded, let frame = framer.next() else { return nil }
    switch frame {
    case .broken(let reason): return refuse(QMPError(reason))
    case .foreign(let byte):
      isReady = false
      let text =
        UInt8(ascii: " ")...UInt8(ascii: "~") ~= byte
        ? "'\(Unicode.Scalar(byte))'" : "byte 0x" + String(byte, radix: 16)
      return refuse(QMPError("QMP input must be a JSON object, and none begins with \(text)"))
    case .object(let bytes):
      do throws(QMPError) { return step(try JSONParser.parse(bytes)) } catch {
        return refuse(error)
      }
    }
  }

  private mutating func refuse(_ error: QMPError, id: JSONValue? = nil) -> Step {
    let reply = JSONValue.reply(.failure(error), id: id)
    hasEnded = !isReady
    return hasEnded ? .end(reply) : .reply(reply)
  }

  private mutating func step(_ value: JSONValue) -> Step {
    let id = value["id"]
    guard id?.textSize ?? 0 <= Self.largestID else {
      return refuse(QMPError("QMP input member 'id' has more than \(Self.largestID) bytes"))
    }
    do throws(QMPError) {
      let request = try QMPRequest(value)
      guard request.command == "qmp_capabilities" else {
        guard isReady else {
          throw QMPError(
            "Expecting capabilities negotiation with 'qmp_capabilities'", class: .commandNotFound)
        }
        return .command(request)
      }
      guard !isReady else {
        throw QMPError(
          "Capabilities negotiation is already complete, command ignored", class: .commandNotFound)
      }
      try negotiate(request.arguments)
      isReady = true
      return .reply(.reply(.success([:]), id: id))
    } catch {
      return refuse(error, id: id)
    }
  }

  private func negotiate(_ arguments: [JSONValue.Member]) throws(QMPError) {
    var arguments = Arguments(arguments)
    for capability in try arguments.optional(.names("enable")) ?? [] {
      guard capability == "oob" else {
        throw QMPError("Parameter 'enable' does not accept value '\(capability)'")
      }
      throw QMPError("Capability oob not available")
    }
    try arguments.end()
  }
}

/// One command of a client.
struct QMPRequest: Equatable {
  let command: String
  let arguments: [JSONValue.Member]
  /// What the reply is to be marked with.
  let id: JSONValue?

  init(_ value: JSONValue) throws(QMPError) {
    guard let members = value.members else { throw QMPError("QMP input must be a JSON object") }
    // Comparing is cheap: the parser bounds the names.
    for member in members where !["execute", "arguments", "id"].contains(member.name) {
      throw QMPError("QMP input member '\(member.name)' is unexpected")
    }
    guard let execute = value["execute"] else {
      throw QMPError("QMP input lacks member 'execute'")
    }
    guard let command = execute.text else {
      throw QMPError("QMP input member 'execute' must be a string")
    }
    guard ForeignText.isName(command) else {
      throw QMPError(
        "QMP input member 'execute' is not ASCII of at most \(ForeignText.largestName) bytes")
    }
    guard let arguments = (value["arguments"] ?? [:]).members else {
      throw QMPError("QMP input member 'arguments' must be an object")
    }
    (self.command, self.arguments, id) = (command, arguments, value["id"])
  }
}
