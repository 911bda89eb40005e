import Control
import Host
import SwiftVM

/// The value of QEMU's `-chardev`: `BACKEND,id=ID,key=value,…`.
struct ChardevOption {
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

  /// How many backends a hub has at most.
  private static let hubCapacity = 8

  /// Adds the backend that a value describes to those of a reader.
  static func read(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let word = KeyValueList.leading(given.value, key: "backend") ?? ""
    guard backends.contains(word) else { throw unknownBackend(word, given) }
    let list = try given.list(grammar(of: word, reader.keys))
    guard list["id"] != nil else { throw list.error("chardev: no id specified", "add id=ID") }
    let option = ChardevOption(list: list, keys: reader.keys)
    let backend = try option.backend(word, &reader)
    let keys = try option.given(for: BackendKey.Target.sockets.union([.output]))
    try reader.add(keys.completed(backend))
  }

  private static func unknownBackend(_ word: String, _ given: GivenOption) -> UsageError {
    if let remedy = refused[word] {
      return given.error("swiftvm has no chardev of the kind \"\(word)\"", remedy)
    }
    return given.error(
      "'\(PlainText.shortened(word))' is not a valid char driver name",
      Suggestion.to(word, among: backends).map { "did you mean \($0)?" }
        ?? "give one of " + backends.joined(separator: ", "))
  }

  // MARK: Grammar

  private static func grammar(of backend: String, _ keys: BackendKeys) -> KeyValueList.Grammar {
    var grammar = KeyValueList.Grammar(implied: "backend", example: example(of: backend))
    let targets =
      backend == "socket" ? BackendKey.Target.sockets : backend == "file" ? [.output] : []
    for key in keys.keys where key.fits(targets) {
      guard let name = key.name(in: .chardev) else { continue }
      if key.kind == .flag { grammar.flags.append(name) } else { grammar.optional.append(name) }
    }
    switch backend {
    case "socket":
      grammar.optional += ["path", "host", "port", "to", "fd"]
      grammar.flags += ["abstract", "ipv4", "ipv6"]
      grammar.fixed["tight"] = .init(["on"], "give the name without padding")
      extend(&grammar, keys, forSockets: false)
    case "udp":
      grammar.optional += ["host", "port", "localaddr", "localport"]
      grammar.flags += ["ipv4", "ipv6"]
    case "file": grammar.optional += ["path", "input-path"]
    case "pipe": grammar.required = ["path"]
    case "pty": grammar.optional += ["path"]
    case "stdio":
      grammar.fixed["signal"] = .init(["off"], "end the machine with Ctrl-A x instead of Ctrl-C")
    case "ringbuf", "memory": grammar.optional += ["size"]
    case "exec": grammar.required = ["command"]
    case "hub": grammar.optional += (0..<hubCapacity).map { "chardevs.\($0)" }
    default: break
    }
    return grammar
  }

  /// Adds QEMU's keys of sockets that do not say where they are.
  ///
  /// - Parameter forSockets: whether the table's keys of sockets are added, too.
  static func extend(
    _ grammar: inout KeyValueList.Grammar, _ keys: BackendKeys, forSockets: Bool
  ) {
    for key in keys.keys
    where forSockets && !key.purpose.targets.isDisjoint(with: BackendKey.Target.sockets) {
      guard let name = key.name(in: .chardev) else { continue }
      if key.kind == .flag { grammar.flags.append(name) } else { grammar.optional.append(name) }
    }
    grammar.flags += ["server"]
    let plain = "put a relay such as socat before a plain socket"
    for key in ["telnet", "tn3270", "websocket"] { grammar.fixed[key] = .init(["off"], plain) }
    for key in ["tls-creds", "tls-authz"] { grammar.fixed[key] = .init([], plain) }
    grammar.fixed["mptcp"] = .init(["off"])
    grammar.fixed["keep-alive"] = .init(["on", "off"], "give keepalive=SECONDS")
    grammar.fixed["delay"] = .init([], "give nodelay=on or nodelay=off")
    grammar.fixed["cid"] = .init([], "there is no vsock; use path=PATH or host=HOST,port=PORT")
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

  private let list: KeyValueList
  private let keys: BackendKeys

  private func given(for targets: Set<BackendKey.Target>) throws(UsageError) -> GivenKeys {
    try list.given(keys, in: .chardev, for: targets)
  }

  private func backend(
    _ word: String, _ reader: inout RunReader
  ) throws(UsageError) -> ChardevConfiguration.Backend {
    switch word {
    case "socket": return try socket
    case "udp":
      guard let port = try list.port("port") else {
        throw list.error("chardev: udp: remote port not specified", "add port=PORT")
      }
      return .datagram(
        DatagramConfiguration(
          host: try host(list["host"] ?? InternetAddress.loopback), port: port,
          localHost: list["localaddr"], localPort: try list.port("localport") ?? 0))
    case "file":
      let file = FileConfiguration(output: list["path"], input: list["input-path"])
      guard file.output != nil || file.input != nil else {
        throw list.error("chardev: file: no filename given", "add path=PATH")
      }
      let target: BackendKey.Target? = file.output == nil ? nil : .output
      return try given(for: target.map { [$0] } ?? []).refined(
        .file(file), as: target, waits: false)
    case "pipe": return .pipe(path: list.required("path"))
    case "pty": return .pseudoTerminal(link: list["path"])
    case "stdio": return .standardIO
    case "stderr": return .standardError
    case "ringbuf", "memory":
      return try list.number("size", .size).map { .ringBuffer(size: $0) } ?? .ringBuffer()
    case "exec": return .program(command: list.required("command"))
    case "hub": return .several(try members(&reader))
    default: return .null
    }
  }

  private func members(
    _ reader: inout RunReader
  ) throws(UsageError) -> [ChardevConfiguration] {
    var members: [ChardevConfiguration] = []
    for id in (0..<Self.hubCapacity).compactMap({ list["chardevs.\($0)"] }) {
      members.append(try list.takeChardev(id, &reader, for: "hub.chardevs"))
    }
    guard !members.isEmpty else {
      throw list.error("the hub has no chardevs", "give chardevs.0=ID, chardevs.1=ID")
    }
    return members
  }

  // MARK: Sockets

  private var socket: ChardevConfiguration.Backend {
    get throws(UsageError) {
      let kinds = ["path", "fd", "port"].filter { list[$0] != nil }
      guard let kind = kinds.first else {
        throw list.error(
          "chardev: socket: no address given",
          "add path=PATH, or host=HOST,port=PORT, or fd=NUMBER")
      }
      guard kinds.count == 1 else {
        throw list.error(
          "\"\(kinds[0])\" and \"\(kinds[1])\" exclude each other", "give one of them")
      }
      for key in ["host", "to", "ipv4", "ipv6"] where kind != "port" && list[key] != nil {
        throw list.error("\"\(key)\" is for TCP", "leave it out")
      }
      if kind != "path", list["abstract"] != nil {
        throw list.error("\"abstract\" is for Unix sockets", "leave it out")
      }
      switch kind {
      case "fd": return try inherited
      case "path":
        let path = list.required("path")
        let isAbstract = try list.isOn("abstract") ?? false
        return try Self.socket(list, isAbstract ? .abstract(name: path) : .unix(path: path), keys)
      default:
        let address = SocketConfiguration.Address.tcp(
          host: try host(list["host"] ?? ""), port: try list.port("port") ?? 0,
          lastPort: try list.port("to"))
        return try Self.socket(list, address, keys)
      }
    }
  }

  /// A socket at an address, with the list's keys. A listener waits for a client unless told otherwise,
  /// as in QEMU.
  static func socket(
    _ list: KeyValueList, _ address: SocketConfiguration.Address, _ keys: BackendKeys
  ) throws(UsageError) -> ChardevConfiguration.Backend {
    let isListening = try list.isOn("server") ?? false
    if isListening, list["reconnect"] != nil || list["reconnect-ms"] != nil {
      throw list.error(
        "'reconnect' option is incompatible with socket in server listen mode", "leave it out")
    }
    if !isListening, list["wait"] != nil {
      throw list.error(
        "'wait' option is incompatible with socket in client connect mode",
        "leave it out, or add server=on")
    }
    if !isListening, case .tcp(_, _, _?) = address {
      throw list.error("\"to\" is for listening sockets", "leave it out, or add server=on")
    }
    let target = BackendKey.Target(address, isListening: isListening)
    return try list.given(keys, in: .chardev, for: [target])
      .socket(address, isListening: isListening, waits: true)
  }

  /// The inherited socket knows itself whether it listens.
  private var inherited: ChardevConfiguration.Backend {
    get throws(UsageError) {
      if try list.isOn("server") == true, try list.isOn("wait") != false {
        throw list.error(
          "the start does not wait for clients of an inherited socket", "add wait=off")
      }
      for key in keys.keys where !key.purpose.targets.isEmpty {
        if let name = key.name(in: .chardev), name != "wait", list[name] != nil {
          throw list.error("\"\(name)\" is not for inherited sockets", "leave it out")
        }
      }
      let text = list.required("fd")
      return .descriptor(
        try list.check { () throws(KeyProblem) in try BackendKeys.descriptor(text) })
    }
  }

  private func host(_ host: String) throws(UsageError) -> String {
    let (ipv4, ipv6) = (try list.isOn("ipv4"), try list.isOn("ipv6"))
    let isReachable = list["expose"] == "on"
    return try list.check { () throws(KeyProblem) in
      try InternetAddress.host(host, ipv4: ipv4, ipv6: ipv6, isReachable: isReachable)
    }
  }
}
