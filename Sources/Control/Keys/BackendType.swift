import Chardev

/// A type of backend as QEMU describes it, in `-chardev` and in QMP's `chardev-add`: one row of
/// `BackendKeys`.
package struct BackendType: Sendable {
  /// A key that says what a backend of the type is; keys that refine it are `BackendKey`s. One row: its
  /// name in `-chardev`, its value, and its place in QMP.
  package struct Key: Sendable {
    package let name: String
    package let kind: ValueKind
    /// The values that say what is so in any case, for a key of which no others can be honoured.
    package let honoured: [String]?
    /// What to do in place of giving another value.
    package let remedy: String
    let member: Member?

    package init(_ name: String, _ kind: ValueKind, _ member: Member? = nil) {
      (self.name, self.kind, self.member) = (name, kind, member)
      (honoured, remedy) = (nil, "")
    }

    /// A key that is understood, of whose values only some can be honoured.
    init(
      _ name: String, only honoured: [String], _ remedy: String = "leave it out",
      at member: Member? = nil
    ) {
      (self.name, self.honoured, self.remedy, self.member) = (name, honoured, remedy, member)
      kind = .flag
    }
  }

  /// Where QMP has a key.
  package struct Member: Sendable {
    /// An object of the data that has a type, on which its members depend (QAPI's SocketAddress).
    enum Address: String, CaseIterable { case addr, remote, local }

    /// Nil for a member of the data itself.
    let address: Address?
    /// The type of address that has it.
    let type: String
    let name: String
    fileprivate(set) var isOptional = false

    package static func data(_ name: String) -> Member {
      Member(address: nil, type: "", name: name)
    }

    static func unix(_ name: String) -> Member { Member(address: .addr, type: "unix", name: name) }

    static func inet(_ name: String, of address: Address = .addr) -> Member {
      Member(address: address, type: "inet", name: name)
    }

    static func fd(_ name: String) -> Member { Member(address: .addr, type: "fd", name: name) }

    /// The same, which may be left out.
    package var optional: Member {
      var member = self
      member.isOptional = true
      return member
    }
  }

  /// Who may have a backend of the type.
  package enum Use: Sendable {
    case commandLineAndQMP, commandLine
    /// QMP knows it, but it is given out at the start.
    case atStart
  }

  /// What it is called, and what else.
  package let names: [String]
  /// How `-chardev` may look, its id apart.
  package let example: String
  package let keys: [Key]
  /// The kinds of backends whose keys it may have beside those that any has.
  let targets: Set<BackendKey.Target>
  let use: Use
  private let make: @Sendable (GivenKeys) throws(KeyProblem) -> ChardevConfiguration.Backend

  /// Makes a row.
  ///
  /// - Parameter make: makes the backend of the keys.
  package init(
    _ names: String..., example: String? = nil, keys: [Key] = [],
    refinedAs targets: Set<BackendKey.Target> = [], for use: Use = .commandLineAndQMP,
    make: @escaping @Sendable (GivenKeys) throws(KeyProblem) -> ChardevConfiguration.Backend
  ) {
    self.names = names
    self.example = (names.prefix(1) + (example.map { [$0] } ?? [])).joined(separator: ",")
    self.keys = keys
    self.targets = targets
    self.use = use
    self.make = make
  }

  /// The backend that the keys describe.
  package func configuration(_ given: GivenKeys) throws(KeyProblem) -> ChardevConfiguration {
    let backend = try make(given)
    try given.check(for: targets)
    return given.completed(backend)
  }
}

extension BackendKeys {
  /// QEMU's types, and swiftvm's own among them.
  static let standardTypes = [
    BackendType(
      "socket", example: "path=PATH,server=on,wait=off",
      keys: [
        .init("path", .text, .unix("path")),
        .init("abstract", .flag, .unix("abstract").optional),
        // Without `tight` the name is filled up with NULs, which no client of ours could give.
        .init(
          "tight", only: ["on"], "give the name without padding", at: .unix("tight").optional),
        .init("host", .name, .inet("host")), .init("port", .port, .inet("port")),
        .init("to", .port, .inet("to").optional),
        .init("ipv4", .flag, .inet("ipv4").optional),
        .init("ipv6", .flag, .inet("ipv6").optional),
        .init("numeric", only: ["on", "off"], at: .inet("numeric").optional),
        // Peers are watched in any case; for how long, swiftvm's own key says.
        .init(
          "keep-alive", only: ["on", "off"], "give keepalive=SECONDS",
          at: .inet("keep-alive").optional),
        .init("mptcp", only: ["off"], at: .inet("mptcp").optional),
        .init("fd", .name, .fd("str")), .init("server", .flag, .data("server").optional),
        .init("telnet", only: ["off"], relay, at: .data("telnet").optional),
        .init("tn3270", only: ["off"], relay, at: .data("tn3270").optional),
        .init("websocket", only: ["off"], relay, at: .data("websocket").optional),
        .init("tls-creds", only: [], relay), .init("tls-authz", only: [], relay),
        .init("delay", only: [], "give nodelay=on or nodelay=off"),
        .init("cid", only: [], "there is no vsock; use path=PATH or host=HOST,port=PORT"),
      ], refinedAs: BackendKey.Target.sockets, make: socket),
    BackendType(
      "udp", example: "port=PORT",
      keys: [
        .init("host", .name, .inet("host", of: .remote)),
        .init("port", .port, .inet("port", of: .remote)),
        .init("ipv4", .flag, .inet("ipv4", of: .remote).optional),
        .init("ipv6", .flag, .inet("ipv6", of: .remote).optional),
        .init("localaddr", .name, .inet("host", of: .local)),
        .init("localport", .port, .inet("port", of: .local)),
        .init("localipv4", .flag, .inet("ipv4", of: .local).optional),
        .init("localipv6", .flag, .inet("ipv6", of: .local).optional),
      ]
    ) { (given) throws(KeyProblem) in
      guard let port = given.port("port") else {
        throw KeyProblem("chardev: udp: remote port not specified", "add port=PORT")
      }
      return .datagram(
        DatagramConfiguration(
          host: try host(given, "host") ?? InternetAddress.loopback, port: port,
          localHost: try host(given, "localaddr", families: "localipv"),
          localPort: given.port("localport") ?? 0))
    },
    BackendType(
      "file", example: "path=PATH",
      keys: [
        .init("path", .text, .data("out")),
        .init("input-path", .text, .data("in").optional),
      ], refinedAs: [.output]
    ) { (given) throws(KeyProblem) in
      let file = FileConfiguration(output: given.text("path"), input: given.text("input-path"))
      guard file.output != nil || file.input != nil else {
        throw KeyProblem("chardev: file: no filename given", "add path=PATH")
      }
      let target: BackendKey.Target? = file.output == nil ? nil : .output
      try given.check(for: target.map { [$0] } ?? [])
      return given.refined(.file(file), as: target)
    },
    BackendType(
      "pipe", example: "path=PATH", keys: [.init("path", .text, .data("device"))]
    ) { (given) throws(KeyProblem) in .pipe(path: try given.required("path", of: "pipe,path=PATH"))
    },
    BackendType("pty", keys: [.init("path", .text)]) { .pseudoTerminal(link: $0.text("path")) },
    BackendType(
      "stdio",
      keys: [.init("signal", only: ["off"], "end the machine with Ctrl-A x instead of Ctrl-C")],
      for: .atStart
    ) { _ in .standardIO },
    BackendType("stderr", for: .commandLine) { _ in .standardError },
    BackendType("ringbuf", "memory", keys: [.init("size", .size, .data("size").optional)]) {
      given in given.number("size").map { .ringBuffer(size: $0) } ?? .ringBuffer()
    },
    BackendType("null") { _ in .null },
    BackendType(
      "exec", example: "command=COMMAND", keys: [.init("command", .text)], for: .commandLine
    ) { (given) throws(KeyProblem) in
      .program(command: try given.required("command", of: "exec,command=COMMAND"))
    },
    // Its backends are those of other descriptions.
    BackendType(
      "hub", example: "chardevs.0=ID,chardevs.1=ID",
      keys: (0..<8).map { .init("chardevs.\($0)", .text) }, for: .commandLine
    ) { _ in .several([]) },
  ]

  private static let relay = "put a relay such as socat before a plain socket"

  /// The host that is given, of the family of addresses that is; nil where none is.
  private static func host(
    _ given: GivenKeys, _ key: String, families: String = "ipv"
  ) throws(KeyProblem) -> String? {
    let (ipv4, ipv6) = (given.isOn(families + "4"), given.isOn(families + "6"))
    let host = given.text(key)
    guard host != nil || ipv4 != nil || ipv6 != nil else { return nil }
    return try InternetAddress.host(
      host ?? "", ipv4: ipv4, ipv6: ipv6, isReachable: given.isReachable)
  }

  // MARK: Sockets

  /// A socket. In `-chardev` a listener waits for a client unless told otherwise, as in QEMU; in QMP a
  /// socket listens unless told otherwise, and none waits.
  private static func socket(
    _ given: GivenKeys
  ) throws(KeyProblem) -> ChardevConfiguration.Backend {
    let kinds = ["path", "fd", "port"].filter { given[$0] != nil }
    guard let kind = kinds.first else {
      throw KeyProblem(
        "chardev: socket: no address given", "add path=PATH, or host=HOST,port=PORT, or fd=NUMBER")
    }
    guard kinds.count == 1 else {
      throw KeyProblem("\"\(kinds[0])\" and \"\(kinds[1])\" exclude each other", "give one of them")
    }
    for key in ["host", "to", "ipv4", "ipv6"] where kind != "port" && given[key] != nil {
      throw KeyProblem("\"\(key)\" is for TCP")
    }
    guard kind == "path" || given["abstract"] == nil else {
      throw KeyProblem("\"abstract\" is for Unix sockets")
    }
    let isListening = given.isOn("server") ?? (given.place == .qmp)
    let waits = given.isOn("wait")
    guard given.place != .qmp || !isListening || waits != true else {
      throw KeyProblem("'wait' option is incompatible with a machine that has been started")
    }
    if kind == "fd" { return .descriptor(try inherited(given)) }
    guard !isListening || !given.reconnects else {
      throw KeyProblem(
        "'reconnect' option is incompatible with socket in server listen mode")
    }
    // QMP's clients may say that a connecting socket does not wait.
    guard isListening || waits == nil || given.place == .qmp && waits == false else {
      throw KeyProblem(
        "'wait' option is incompatible with socket in client connect mode",
        "leave it out, or add server=on")
    }
    guard isListening || given["to"] == nil else {
      throw KeyProblem("\"to\" is for listening sockets", "leave it out, or add server=on")
    }
    let path = given.text("path") ?? ""
    let address: SocketConfiguration.Address =
      kind == "path"
      ? given.isOn("abstract") == true ? .abstract(name: path) : .unix(path: path)
      : .tcp(
        host: try host(given, "host") ?? "",
        port: given.port("port") ?? 0, lastPort: given.port("to"))
    let target = BackendKey.Target(address, isListening: isListening)
    try given.check(for: [target])
    let waitsByItself = given.place == .chardev
    return given.refined(
      .socket(
        SocketConfiguration(
          address, role: isListening ? .listening(waitsForClient: waitsByItself) : .connecting())),
      as: target)
  }

  /// A descriptor that this process has inherited, or, in QMP, that a client has passed along. The socket
  /// knows itself whether it listens.
  private static func inherited(_ given: GivenKeys) throws(KeyProblem) -> DescriptorSource {
    let text = given.text("fd") ?? ""
    guard given.place == .chardev else {
      for (key, isGiven) in [("reconnect", given.reconnects), ("wait", given.isOn("wait") == true)]
      where isGiven {
        throw KeyProblem("'\(key)' option is incompatible with 'fd' address type")
      }
      try given.check(for: [])
      return .activation(name: text)
    }
    guard given.isOn("server") != true || given.isOn("wait") == false else {
      throw KeyProblem(
        "the start does not wait for clients of an inherited socket", "add wait=off")
    }
    if let name = given.names(ofTargets: true).first(where: { $0 != "wait" }) {
      throw KeyProblem("\"\(name)\" is not for inherited sockets")
    }
    return try descriptor(text)
  }
}

extension BackendKey.Target {
  /// The kind of a socket.
  package init(_ address: SocketConfiguration.Address, isListening: Bool) {
    self =
      switch address {
      case .unix: isListening ? .listener : .connector
      case .abstract: isListening ? .abstractListener : .connector
      case .tcp: isListening ? .tcpListener : .tcpConnector
      }
  }
}

// MARK: Documentation

extension BackendKeys {
  /// The types with the keys that QEMU knows, as they are called in a place, for the help and the manual.
  package func summary(in place: BackendKey.Place) -> String {
    let types = types.filter { place == .chardev || $0.use == .commandLineAndQMP }.map { type in
      let names =
        type.names(in: place)
        + names(in: place) { key in
          key.isIgnored(in: .qmp) && !key.purpose.targets.isDisjoint(with: type.targets)
        }
      let keys = names.isEmpty ? "" : " (" + names.joined(separator: ", ") + ")"
      return type.names.joined(separator: " and ") + keys
    }
    let shared = names(in: place) { $0.purpose.targets.isEmpty && $0.properties != ["id"] }
    return types.joined(separator: ", ") + "; all: " + shared.joined(separator: ", ")
  }

  /// What QMP's addresses of sockets have, a sentence.
  var addresses: String {
    let members = types.flatMap(\.keys).filter { $0.honoured == nil }.compactMap(\.member)
      .filter { $0.address == .addr }
    let kinds = ["unix", "inet", "fd"].map { type in
      type + " (" + members.filter { $0.type == type }.map(\.name).joined(separator: ", ") + ")"
    }
    return "The address of a socket is of type " + kinds.joined(separator: ", ") + "."
  }

  private func names(
    in place: BackendKey.Place, where isMeant: (BackendKey) -> Bool
  ) -> [String] {
    keys.filter(isMeant).compactMap { $0.name(in: place) }
  }
}

extension BackendType {
  /// What the type's own keys are called in a place, but for those that change nothing.
  package func names(in place: BackendKey.Place) -> [String] {
    let changing = keys.filter { $0.honoured == nil }
    guard place == .qmp else { return changing.map(\.name) }
    return changing.compactMap(\.member).map { $0.address?.rawValue ?? $0.name }.distinct
  }
}

extension [String] {
  /// Each once, in the order of the first ones.
  package var distinct: [String] {
    reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }
}
