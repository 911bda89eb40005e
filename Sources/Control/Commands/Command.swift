import Chardev
import SwiftVM

/// One of the commands that clients may give: a row of `QMPCommandTable`.
///
/// Everything about a command follows from its row: `query-commands`, how its arguments are read, the
/// errors about them, and the manual page.
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
    /// The command's end, once there is one; asked after every change.
    let check: () -> Result<JSONValue, QMPError>?
    /// Called when the client waits no more.
    var end: () -> Void = {}
  }

  let name: String
  /// Its name and its arguments, as the manual has them.
  let usage: String
  /// What it does, for the manual.
  let help: String
  private let body: @Sendable (inout Arguments, CommandContext) throws(QMPError) -> Outcome

  /// - Parameter body: gets the arguments' values in the order of `parameters`.
  init<each Value>(
    _ name: String, _ parameters: repeat Parameter<each Value>, help: String,
    _ body:
      @escaping @Sendable (CommandContext, repeat each Value) throws(QMPError) -> Outcome
  ) {
    self.name = name
    self.help = help
    var (needed, optional) = ([name], [String]())
    for parameter in repeat each parameters {
      if parameter.isOptional {
        optional.append(parameter.name)
      } else {
        needed.append(parameter.name)
      }
    }
    if !optional.isEmpty { needed.append("[" + optional.joined(separator: " ") + "]") }
    usage = needed.joined(separator: " ")
    self.body = { (arguments, context) throws(QMPError) in
      let values = (repeat try (each parameters).read(&arguments))
      try arguments.end()
      return try body(context, repeat each values)
    }
  }

  /// A command that tells something.
  init(
    _ name: String, help: String, tells value: @escaping @Sendable (CommandContext) -> JSONValue
  ) {
    self.init(name, help: help) { .value(value($0)) }
  }

  /// A command that has the machine do something.
  init(
    _ name: String, help: String, does action: @escaping @Sendable (CommandContext) -> Void
  ) {
    self.init(name, help: help) { context in
      action(context)
      return .done
    }
  }

  /// Reads the arguments, all before anything is done, and carries the command out.
  func perform(
    _ arguments: [JSONValue.Member], _ context: CommandContext
  ) throws(QMPError) -> Outcome {
    var arguments = Arguments(arguments)
    return try body(&arguments, context)
  }
}

/// What a command works with.
struct CommandContext {
  /// The one that has given it.
  let client: ControlClient

  var server: ControlServer { client.server }
  var machine: VirtualMachine { server.machine }
  /// The machine as it is used on its I/O thread.
  var engine: Machine { machine.engine }

  /// Whether replies can have a descriptor with them, which takes a Unix socket.
  var carriesDescriptors: Bool { client.listener.socket.reach != .network }

  /// The descriptors to which clients with this one's right have given names.
  var descriptors: DescriptorStore { server.descriptors(opensHost: client.listener.opensHost) }

  /// Carries out what the machine may refuse.
  func perform<Value>(
    _ body: (Machine) throws(ConfigurationError) -> Value
  ) throws(QMPError) -> Value {
    do throws(ConfigurationError) { return try body(engine) } catch { throw QMPError(error) }
  }

  /// Refuses what is to be opened on the host to a client without the right to it.
  func requireHost() throws(QMPError) {
    guard !client.listener.opensHost else { return }
    throw QMPError(
      "clients of this control socket may open nothing on the host (host=off); "
        + "use null, ringbuf or a descriptor that you pass")
  }
}

/// Every command there is.
package enum QMPCommandTable {
  static let all: [Command] =
    MachineCommands.all + ChardevCommands.all + RingBufferCommands.all + DeviceCommands.all
    + DescriptorCommands.all

  static let names = ["qmp_capabilities"] + all.map(\.name)

  /// Every command with its arguments, and what it does; for the manual.
  ///
  /// - Parameter keys: those of backends, which `chardev-add` takes.
  package static func documentation(_ keys: BackendKeys) -> [(usage: String, meaning: String)] {
    let types = " " + ChardevCommands.documentation(keys)
    return [("qmp_capabilities [enable]", "Begins: other commands are taken from then on.")]
      + all.map { ($0.usage, $0.help + ($0.name == "chardev-add" ? types : "")) }
  }

  // String keys: the program's own words; `QMPRequest` bounds what is looked up.
  private static let byName = Dictionary(
    all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

  /// The command of a name.
  static func command(_ name: String) throws(QMPError) -> Command {
    guard let command = byName[name] else {
      throw QMPError("The command \(name) has not been found", class: .commandNotFound)
    }
    return command
  }
}
