import Chardev
import SwiftVM

/// Backends that come and go.
enum ChardevCommands {
  static let all = [
    Command(
      "query-chardev",
      help: "Each backend: its label, what it is, and whether a port has it open.",
      tells: { context in
        .array(
          context.engine.chardevReports.map { chardev in
            [
              "label": .string(chardev.label), "filename": .string(chardev.filename),
              "frontend-open": .bool(chardev.isFrontEndOpen),
            ]
          })
      }),
    Command(
      "query-chardev-backends", help: "The types that chardev-add takes.",
      tells: { _ in
        let types = BackendKeys.standard.types.filter { $0.use != .commandLine }
        return .array(types.flatMap(\.names).sorted().map { ["name": .string($0)] })
      }),
    Command(
      "chardev-add", .name("id"), .object("backend"),
      help:
        "Opens a backend for ports to come, as in QEMU: {\"type\":TYPE,\"data\":{...}}. Returns the"
        + " path of a pty.", add),
    Command(
      "chardev-change", .name("id"), .object("backend"),
      help:
        "Exchanges a backend, of a port in use, too: the guest keeps the port, and sees its host side"
        + " close and open.", change),
    Command("chardev-remove", .name("id"), help: "Closes a backend that no port has.") {
      (context, id) throws(QMPError) in
      try requireChardev(id, context)
      try context.perform { (machine) throws(ConfigurationError) in
        try machine.removeChardev(id: id)
      }
      context.server.somethingChanged()
      return .done
    },
    Command(
      "chardev-send-break", .name("id"),
      help: "Sends a break to the guest, through a serial console."
    ) { (context, id) throws(QMPError) in
      try requireChardev(id, context)
      context.engine.sendBreak(toChardev: id)
      return .done
    },
  ]

  /// What `chardev-add` takes, for the manual.
  static func documentation(_ keys: BackendKeys) -> String {
    let own = keys.keys.compactMap { $0.name(in: .qmp) }.filter { $0.hasPrefix("x-swiftvm-") }
    return
      "Types: \(keys.summary(in: .qmp)). \(keys.addresses) The str of fd is a name given by getfd. out"
      + " may be /dev/fdset/N. swiftvm's own keys of sockets, as of the options of backends:"
      + " \(own.joined(separator: ", "))."
  }

  private static func add(
    _ context: CommandContext, id: String, backend: Arguments
  ) throws(QMPError) -> Command.Outcome {
    guard !id.isEmpty else { throw QMPError("Parameter 'id' expects an identifier") }
    guard !has(id, context) else { throw QMPError("Chardev with id '\(id)' already exists") }
    return try open(id, backend, context) { (configuration) throws(QMPError) in
      do throws(QMPError) {
        try context.server.requireRoom(for: configuration)
        return try context.perform { (machine) throws(ConfigurationError) in
          try machine.addChardev(configuration)
        }
      } catch {
        throw QMPError(
          "Failed to add chardev '\(id)': \(error.description)", class: error.errorClass)
      }
    }
  }

  private static func change(
    _ context: CommandContext, id: String, backend: Arguments
  ) throws(QMPError) -> Command.Outcome {
    guard has(id, context) else { throw QMPError("Chardev '\(id)' does not exist") }
    return try open(id, backend, context) { (configuration) throws(QMPError) in
      try context.server.requireRoom(for: configuration, inPlaceOf: id)
      let chardev = try context.perform { (machine) throws(ConfigurationError) in
        try machine.changeChardev(configuration)
      }
      context.server.somethingChanged()
      return chardev
    }
  }

  /// Makes the configuration that the arguments describe, and what it takes.
  private static func open(
    _ id: String, _ backend: Arguments, _ context: CommandContext,
    _ make: (ChardevConfiguration) throws(QMPError) -> any Chardev
  ) throws(QMPError) -> Command.Outcome {
    var backend = backend
    var reader = ChardevReader(id: id, descriptors: context.descriptors)
    var isMade = false
    defer { reader.conclude(isMade: isMade) }
    let configuration = try reader.configuration(&backend)
    if reader.opensHost(configuration) { try context.requireHost() }
    let chardev = try make(configuration)
    isMade = true
    let path = ClientConnection.terminalPath(of: chardev)
    return .value(["pty": path.map { .string($0) }])
  }

  private static func has(_ id: String, _ context: CommandContext) -> Bool {
    context.engine.chardevReports.contains { $0.label == id }
  }

  private static func requireChardev(
    _ id: String, _ context: CommandContext
  ) throws(QMPError) {
    guard has(id, context) else { throw QMPError("Chardev '\(id)' not found") }
  }
}
