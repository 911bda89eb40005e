import SwiftVM

/// The value of QEMU's `-chardev`: `BACKEND,id=ID,key=value,…`.
enum ChardevOption {
  private static let backends = [
    "socket", "udp", "file", "pipe", "pty", "stdio", "stderr", "ringbuf", "memory", "null", "exec",
    "hub",
  ]

  /// QEMU's backends that swiftvm does not have, and what to take instead.
  // String keys: the program's own words; what is looked up is its user's.
  private static let refused: [String: String] = {
    let socket = "use a socket, which the viewer or a bridge connects to"
    let line = "use pty, or exec,command= with a program that talks to the device"
    return [
      "spicevmc": socket, "spiceport": socket, "qemu-vdagent": socket, "dbus": socket,
      "serial": line, "tty": line, "parallel": line, "parport": line,
      "vc": "there is no display; use stdio or pty", "console": "use stdio or pty",
      "msmouse": "leave it out", "wctablet": "leave it out", "braille": "leave it out",
      "testdev": "use -device isa-debug-exit to end with a status",
      "mux": "add mux=on to a backend",
    ]
  }()

  /// The host end that a value describes.
  ///
  /// - Parameter table: those described before, for `hub`.
  static func read(
    _ value: String, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> ChardevConfiguration {
    let word = KeyValueList.leading(value, key: "backend") ?? ""
    guard backends.contains(word) else { throw unknownBackend(word, value) }
    let list = try KeyValueList(value, option: OptionName.chardev, grammar(of: word, value))
    guard let id = list["id"] else {
      throw list.error("chardev: no id specified", "add id=ID")
    }
    let backend = try backend(word, list, &table)
    return ChardevConfiguration(
      id: id, backend, log: try list.log(path: "logfile", appends: "logappend"),
      isMultiplexed: try list.isOn("mux") ?? false)
  }

  private static func unknownBackend(_ word: String, _ value: String) -> ConfigurationError {
    if let remedy = refused[word] {
      return ConfigurationError(
        option: OptionName.chardev, value: value,
        problem: "swiftvm has no chardev of the kind \"\(word)\"", remedy: remedy)
    }
    return ConfigurationError(
      option: OptionName.chardev, value: value,
      problem: "'\(PlainText.shortened(word))' is not a valid char driver name",
      remedy: Suggestion.to(word, among: backends).map { "did you mean \($0)?" }
        ?? "give one of " + backends.joined(separator: ", "))
  }

  // MARK: Grammar

  private static func grammar(of backend: String, _ value: String) -> KeyValueList.Grammar {
    var grammar = KeyValueList.Grammar(
      optional: ["id", "logfile"], flags: ["logappend", "log-annotate", "mux"],
      implied: "backend", example: example(of: backend))
    switch backend {
    case "socket": SocketOptions.extend(&grammar)
    case "udp":
      grammar.optional += ["host", "port", "localaddr", "localport"]
      grammar.flags += ["ipv4", "ipv6"]
    case "file":
      grammar.optional += ["path", "input-path", "mode", "rotate-size", "rotate-count"]
      grammar.flags += ["append"]
    case "pipe": grammar.required = ["path"]
    case "pty": grammar.optional += ["path"]
    case "stdio":
      grammar.fixed["signal"] = .init(["off"], "end the machine with Ctrl-A x instead of Ctrl-C")
    case "ringbuf", "memory": grammar.optional += ["size"]
    case "exec": grammar.required = ["command"]
    case "hub":
      grammar.optional += (0..<HubWords.capacity).map { "chardevs.\($0)" }
    default: break
    }
    return grammar
  }

  private static func example(of backend: String) -> String {
    switch backend {
    case "socket": "-chardev socket,path=PATH,server=on,wait=off,id=ID"
    case "udp": "-chardev udp,port=PORT,id=ID"
    case "file", "pipe": "-chardev \(backend),path=PATH,id=ID"
    case "exec": "-chardev exec,command=COMMAND,id=ID"
    case "hub": "-chardev hub,chardevs.0=ID,chardevs.1=ID,id=ID"
    default: "-chardev \(backend),id=ID"
    }
  }

  // MARK: Backends

  private static func backend(
    _ word: String, _ list: KeyValueList, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> ChardevConfiguration.Backend {
    switch word {
    case "socket": return try SocketOptions.backend(list)
    case "udp": return .datagram(try SocketOptions.datagram(list))
    case "file": return .file(try file(list))
    case "pipe": return .pipe(path: list.required("path"))
    case "pty": return .pseudoTerminal(link: list["path"])
    case "stdio": return .standardIO
    case "stderr": return .standardError
    case "ringbuf", "memory":
      return try list.size("size").map { .ringBuffer(size: Int(clamping: $0)) } ?? .ringBuffer()
    case "exec": return .program(command: list.required("command"))
    case "hub": return .several(try HubWords.members(list, &table))
    default: return .null
    }
  }

  private static func file(_ list: KeyValueList) throws(ConfigurationError) -> FileConfiguration {
    var file = FileConfiguration(output: list["path"], input: list["input-path"])
    guard file.output != nil || file.input != nil else {
      throw list.error("chardev: file: no filename given", "add path=PATH")
    }
    let options = try HostEndOptions(list, for: file.output == nil ? [] : [.output])
    if file.output != nil { try options.refine(&file) }
    return file
  }
}

/// The keys of `-chardev hub`, QEMU's name for several host ends behind one front end.
enum HubWords {
  static let capacity = 8

  static func members(
    _ list: KeyValueList, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> [ChardevConfiguration] {
    var members: [ChardevConfiguration] = []
    for index in 0..<capacity {
      guard let id = list["chardevs.\(index)"] else { continue }
      members.append(
        try table.take(id, for: "hub.chardevs") { list.error($0, $1) })
    }
    guard !members.isEmpty else {
      throw list.error("the hub has no chardevs", "give chardevs.0=ID, chardevs.1=ID")
    }
    return members
  }
}
