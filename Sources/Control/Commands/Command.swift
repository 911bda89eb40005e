/// One of the commands that clients may give.
struct Command: Sendable {
  /// What comes of a command.
  enum Outcome {
    /// It is done.
    case value(JSONValue)
    /// It is done, and the client gets a descriptor with the reply.
    case descriptor(PassedDescriptor)
    /// It is done when something has happened.
    case later(Wait)

    /// It is done, and there is nothing to tell.
    static var done: Outcome { .value([:]) }
  }

  /// What a client waits for.
  struct Wait {
    /// How long at most; nil for as long as it takes.
    let milliseconds: Int?
    /// What the client gets when that time has passed.
    let lateReply: QMPError
    /// The command's end, once there is one; asked after whatever happens.
    let check: () -> Result<JSONValue, QMPError>?
    /// Called when nobody waits any more.
    var end: () -> Void = {}
  }

  typealias Body =
    @Sendable (_ arguments: inout Arguments, _ context: CommandContext) throws(QMPError) -> Outcome

  let name: String
  private let body: Body

  /// A command that takes its arguments apart itself, before it does anything.
  init(_ name: String, _ body: @escaping Body) {
    self.name = name
    self.body = body
  }

  /// A command without arguments.
  init(
    _ name: String,
    alone body: @escaping @Sendable (_ context: CommandContext) throws(QMPError) -> Outcome
  ) {
    self.init(name) { (arguments, context) throws(QMPError) in
      try arguments.end()
      return try body(context)
    }
  }

  func perform(
    _ arguments: JSONObject, _ context: CommandContext
  ) throws(QMPError) -> Outcome {
    var arguments = Arguments(arguments)
    return try body(&arguments, context)
  }
}

/// What a command works with.
struct CommandContext {
  let machine: any MachineControl
  /// Whether this client may have the machine open paths, addresses and programs on the host.
  let opensHost: Bool
  /// Whether replies can have a descriptor with them, which takes a Unix socket.
  let carriesDescriptors: Bool
  /// The descriptors that clients of this right have given names.
  let descriptors: DescriptorStore
  /// Those that this client has sent and that no command has taken yet.
  let passed: PassedDescriptors
  /// The program's version, as `query-version` tells it.
  let version: JSONValue
  /// Has what clients wait for be looked at, soon.
  let somethingChanged: () -> Void

  /// Refuses what is to be opened on the host to a client without the right to it.
  func requireHost() throws(QMPError) {
    guard !opensHost else { return }
    throw QMPError(
      "clients of this control socket may open nothing on the host (host=off); "
        + "use null, ringbuf or a descriptor that you pass")
  }
}
