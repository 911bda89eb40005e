import Control
import SwiftVM

/// The ports of `--virtserialport`, `--virtconsole` and `--preset`.
enum PortKeys {
  static let common = ["id", "bus", "nr", "weight"]
  static let channelPolicy = PolicyKey.all.filter { $0.use == .channels }.map(\.name)
  static let consolePolicy = PolicyKey.all.filter { $0.use == .consoles }.map(\.name)

  /// What the help says of all keys of ports.
  static let entries =
    [
      (
        usage: "name=NAME",
        help: "The guest's /dev/virtio-ports/NAME; once in a machine. A channel needs one."
      ),
      (
        "id=ID",
        "What the port is called on the host: a letter, then letters, digits, -, . and _."
      ),
      ("bus=ID.0", "The device it belongs to. Default: the first."),
      (
        "nr=NUMBER",
        "Its number; 0 is for a console. Default: the lowest free one, 0 for the first console."
      ),
    ] + PolicyKey.all.map { ($0.usage, $0.help) }

  /// The port that the value of an option describes, with a backend of its own.
  ///
  /// - Parameter option: `--virtserialport`, `--virtconsole` or `--preset`.
  static func port(
    option: String, _ value: String, _ keys: BackendKeys = .standard
  ) throws(UsageError) -> RunRequest.Port {
    var reader = RunReader(keys)
    if let row = RunOptions.all.first(where: { $0.name == option && $0.keys == .shortForm }) {
      try row.store?(&reader, GivenOption(option: row, spelling: option, value: value))
    }
    guard let port = reader.request.ports.first else {
      throw UsageError(
        option, value, "this option makes no port",
        "give --virtserialport, --virtconsole or --preset")
    }
    return port
  }

  static func channel(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let list = try list(
      given, reader, required: ["name"], common + channelPolicy, example: "name=NAME,socket=PATH")
    let backend = try backend(list, &reader, of: "virtserialport", example: "socket=PATH")
    reader.request.ports.append(try list.port(isConsole: false, attachment: backend))
  }

  static func console(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let example = "stdio, socket=PATH or file=PATH"
    let list = try list(given, reader, common + consolePolicy + ["name"], example: example)
    let backend = try backend(list, &reader, of: "virtconsole", example: example)
    reader.request.ports.append(try list.port(isConsole: true, attachment: backend))
  }

  private static func backend(
    _ list: KeyValueList, _ reader: inout RunReader, of driver: String, example: String
  ) throws(UsageError) -> ChardevConfiguration {
    guard let backend = try ShortBackend.read(list, &reader, property: driver + ".chardev") else {
      throw list.error("the backend is missing", "add e.g. \(example)")
    }
    return backend
  }

  private static func list(
    _ given: GivenOption, _ reader: RunReader, required: [String] = [], _ optional: [String],
    implied: String? = nil, example: String
  ) throws(UsageError) -> KeyValueList {
    var grammar = KeyValueList.Grammar(
      required: required, optional: optional, implied: implied, example: example)
    ShortBackend.extend(&grammar, reader.keys)
    return try given.list(grammar)
  }

  // MARK: Presets

  /// Channels of well-known programs: the preset's word, and the name that the program looks for.
  private static let presets: [(word: String, port: String)] = [
    ("agent", "org.qemu.guest_agent.0"), ("spice", "com.redhat.spice.0"),
    ("guestfs", "org.libguestfs.channel.0"),
    ("anaconda-log", "org.fedoraproject.anaconda.log.0"),
  ]

  static func preset(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let list = try list(
      given, reader, common + channelPolicy, implied: "preset", example: "agent,socket=PATH")
    guard case .text(let word)? = try list.value("preset", .choice(presets.map(\.word))),
      let name = presets.first(where: { $0.word == word })?.port
    else {
      throw list.error("the preset's name is missing", "give agent, spice, guestfs or anaconda-log")
    }
    var policy = VirtioConsolePortPolicy()
    if word != "anaconda-log" {
      // Programs that answer requests are to answer the client that is there, not those before it.
      (policy.early, policy.onHostClose) = (.drop, .discard)
      // The guest agent spins where it has no client to write to.
      if word == "agent" { policy.drainMilliseconds = 500 }
    }
    // Where nothing else is said, it is in the current directory.
    let backend =
      try ShortBackend.read(list, &reader, property: "virtserialport.chardev")
      ?? (word == "anaconda-log" ? .file(path: name) : .unixSocketServer(path: name))
    var port = try list.port(isConsole: false, attachment: backend, standard: policy)
    port.configuration.name = name
    reader.request.ports.append(port)
  }
}

extension KeyValueList {
  /// The port that the list describes, its backend apart.
  ///
  /// - Parameter standard: what becomes of bytes where the list does not say.
  func port(
    isConsole: Bool, attachment: ChardevConfiguration,
    standard: VirtioConsolePortPolicy = VirtioConsolePortPolicy()
  ) throws(UsageError) -> RunRequest.Port {
    let policy = try PolicyKey.policy(forConsole: isConsole, standard: standard) {
      (key) throws(UsageError) in try value(key.name, key.kind)
    }
    return RunRequest.Port(
      bus: self["bus"],
      configuration: VirtioConsolePortConfiguration(
        id: self["id"], number: try number("nr"), name: self["name"], isConsole: isConsole,
        attachment: attachment, policy: policy))
  }
}
