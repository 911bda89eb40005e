import Chardev

/// The one table of the words, types and keys that describe backends. The command line's short forms,
/// `-chardev`, QMP's `chardev-add`, the help, the manual page and the shells' completions all go by it:
/// a row added here is known to each.
package struct BackendKeys: Sendable {
  /// What a backend can be, in the order of the help.
  package var words: [BackendWord]
  /// What it can be in QEMU's words, in the order of the help.
  package var types: [BackendType]
  /// What refines one, in the order of the help, in which they also take effect.
  package var keys: [BackendKey]

  /// The program's table.
  package static let standard = BackendKeys(
    words: standardWords, types: standardTypes, keys: sockets + files + all)

  /// The keys that a type may have in a place, beside its own.
  package func keys(
    of type: BackendType, in place: BackendKey.Place
  ) -> [(name: String, kind: ValueKind)] {
    keys.filter { $0.fits(type.targets) }.compactMap { key in
      key.name(in: place).map { ($0, key.kind) }
    }
  }

  // MARK: What a backend can be

  private static let standardWords = [
    BackendWord(
      "socket", value: "PATH", "a Unix socket that listens", refinedAs: .listener,
      in: "socket.path", chardevName: "path"
    ) {
      path, _ in
      .socket(SocketConfiguration(.unix(path: path)))
    },
    BackendWord(
      "abstract", value: "NAME", "the same in the abstract name space, without a file",
      refinedAs: .abstractListener, in: "socket.abstractName"
    ) { name, _ in .socket(SocketConfiguration(.abstract(name: name))) },
    BackendWord(
      "tcp", value: "[HOST:]PORT[-LAST]",
      "a TCP socket that listens on the first port of these that is free; on this host only, unless"
        + " \"expose\" is there. Any program and any user reaches it, and so does a web page that a"
        + " browser shows: it can send a guest agent commands", refinedAs: .tcpListener,
      in: "socket.tcp"
    ) { (text, _) throws(KeyProblem) in
      .socket(SocketConfiguration(try address(text, of: "tcp", allowsRange: true)))
    },
    BackendWord(
      "connect", value: "PATH", "a Unix socket that connects", refinedAs: .connector,
      in: "connection.path", chardevName: "path"
    ) {
      path, _ in .socket(SocketConfiguration(.unix(path: path), role: .connecting()))
    },
    BackendWord(
      "connect-abstract", value: "NAME", "the same in the abstract name space",
      refinedAs: .connector
    ) { name, _ in .socket(SocketConfiguration(.abstract(name: name), role: .connecting())) },
    BackendWord(
      "tcp-connect", value: "HOST:PORT", "a TCP socket that connects", refinedAs: .tcpConnector,
      in: "connection.tcp"
    ) { (text, _) throws(KeyProblem) in
      let address = try address(text, of: "tcp-connect", allowsRange: false)
      return .socket(SocketConfiguration(address, role: .connecting()))
    },
    BackendWord(
      "udp", value: "HOST:PORT[@LOCALHOST:LOCALPORT]",
      "datagrams to HOST, and those that come from there", in: "datagram"
    ) { (text, _) throws(KeyProblem) in
      guard let datagram = DatagramConfiguration(words: text) else {
        throw KeyProblem(
          "the value of \"udp\" is not an address", "give udp=HOST:PORT[@LOCALHOST:LOCALPORT]")
      }
      return .datagram(datagram)
    },
    BackendWord(
      "file", value: "PATH", "a file that is written", refinedAs: .output, in: "file.output",
      chardevName: "path"
    ) {
      path, others in
      .file(FileConfiguration(output: path, input: others["input"]))
    },
    BackendWord(
      "input", value: "PATH", "a file that is read", in: "file.input", chardevName: "input-path"
    ) { path, others in
      others["file"] == nil ? .file(FileConfiguration(input: path)) : nil
    },
    BackendWord(
      "pipe", value: "PATH", "the FIFOs PATH.in and PATH.out, else PATH", in: "pipe.path",
      chardevName: "path"
    ) { path, _ in
      .pipe(path: path)
    },
    BackendWord(
      "pty", value: "LINK", alone: true,
      "a pseudo-terminal, whose path is told at the start; with a symbolic link to it",
      in: "terminal.link", chardevName: "path"
    ) { link, _ in .pseudoTerminal(link: link.isEmpty ? nil : link) },
    BackendWord("stdio", "standard input and output") { _, _ in .standardIO },
    BackendWord("stderr", "standard error, for output alone; with swiftvm's own messages") { _, _ in
      .standardError
    },
    BackendWord(
      "ringbuf", value: "SIZE", alone: true,
      "the last 64 KiB, or SIZE bytes, in memory; \"swiftvm recv\" prints and follows it"
    ) { (text, _) throws(KeyProblem) in
      text.isEmpty ? .ringBuffer() : .ringBuffer(size: try ValueKind.size(text, of: "ringbuf"))
    },
    BackendWord(
      "fd", value: "NUMBER|NAME",
      "an inherited descriptor, or one of systemd's socket activation; 1 and 2 are standard output"
        + " and standard error", in: "descriptor"
    ) { (text, _) throws(KeyProblem) in .descriptor(try descriptor(text)) },
    BackendWord(
      "exec", value: "COMMAND", "a program with the port as its standard input and output",
      in: "program"
    ) {
      command, _ in .program(command: command)
    },
    BackendWord("null", "nothing") { _, _ in .null },
    BackendWord("chardev", value: "ID", "what a -chardev describes") { _, _ in nil },
  ]

  private static func address(
    _ text: String, of key: String, allowsRange: Bool
  ) throws(KeyProblem) -> SocketConfiguration.Address {
    guard let address = InternetAddress(text, allowsRange: allowsRange) else {
      throw KeyProblem(
        "the value of \"\(key)\" is not an address",
        "give \(key)=HOST:PORT" + (allowsRange ? ", PORT or HOST:FIRST-LAST" : ""))
    }
    return .tcp(host: address.host, port: address.port, lastPort: address.lastPort)
  }

  /// A descriptor by its number, or by the name that systemd's socket activation gave it.
  package static func descriptor(_ text: String) throws(KeyProblem) -> DescriptorSource {
    guard ValueKind.isDigits(text) else { return .activation(name: text) }
    guard let number = Int32(text) else {
      throw KeyProblem("no descriptor has such a number", "give fd=NUMBER or fd=NAME")
    }
    return .number(number)
  }

  // MARK: What refines one

  private static let listening = BackendKey.Purpose(
    [.listener, .abstractListener, .tcpListener], "listening sockets")
  private static let connecting = BackendKey.Purpose(
    [.connector, .tcpConnector], "connecting sockets")
  private static let unix = BackendKey.Purpose(
    [.listener, .abstractListener, .connector], "Unix sockets")
  private static let unixListening = BackendKey.Purpose(
    [.listener, .abstractListener], "listening Unix sockets")
  private static let path = BackendKey.Purpose(
    [.listener], "listening Unix sockets with a path", inHelp: "socket")
  private static let tcp = BackendKey.Purpose([.tcpListener, .tcpConnector], "TCP")
  private static let output = BackendKey.Purpose([.output], "output files", inHelp: "file")
  private static let any = BackendKey.Purpose([], "any backend")

  private static let sockets = [
    BackendKey(
      "wait", .flag, for: listening, "the guest boots once the first client is there",
      standard: "off", qmp: .qemu("wait"), in: "socket.waitsForClient"
    ) { $1.socket?.role = .listening(waitsForClient: $0.isOn) },
    BackendKey(
      "clients", .choice(SocketConfiguration.Clients.allCases.map(\.rawValue)), for: listening,
      "a further client is refused, takes over, waits, or is served, too", standard: "exclusive",
      in: "socket.clients"
    ) {
      if let clients = SocketConfiguration.Clients(rawValue: $0.text) {
        $1.socket?.clients = clients
      }
    },
    BackendKey(
      "mode", .permissions, "MODE",
      for: BackendKey.Purpose(
        [.listener, .output], "listening Unix sockets with a path, and output files",
        inHelp: "socket and file"),
      "the permissions of the socket's file, or of a file that is made, e.g. 660",
      standard: "the umask's for a port's socket, 600 for a control socket and for a file",
      qmp: .none, in: "socket.access.mode", "file.mode"
    ) {
      $1.socket?.access.mode = UInt32(clamping: $0.number)
      $1.file?.mode = UInt32(clamping: $0.number)
    },
    BackendKey(
      "owner", .text, "USER", for: path, "whose the socket's file is",
      standard: "this process's user", qmp: .none, in: "socket.access.owner"
    ) { $1.socket?.access.owner = $0.text },
    BackendKey(
      "group", .text, "GROUP", for: path, "which group's the socket's file is",
      standard: "this process's group", qmp: .none, in: "socket.access.group"
    ) { $1.socket?.access.group = $0.text },
    BackendKey(
      "allow-uid", .numbers, "N[:N...]", for: unixListening, "the users whose processes are served",
      standard: "all", qmp: .none, in: "socket.access.peerUsers"
    ) { $1.socket?.access.peerUsers = $0.numbers },
    BackendKey(
      "allow-gid", .numbers, "N[:N...]", for: unixListening,
      "the groups whose processes are served", standard: "all", qmp: .none,
      in: "socket.access.peerGroups"
    ) { $1.socket?.access.peerGroups = $0.numbers },
    BackendKey(
      "seqpacket", .flag, for: unix, "packets, one for each buffer that the guest writes",
      standard: "off", qmp: .none, in: "socket.kind"
    ) { if $0 == .flag(true) { $1.socket?.kind = .seqpacket } },
    BackendKey(
      "reconnect", .time(unit: "seconds", limit: longestWait), "SECONDS", for: connecting,
      "connects again after so long, twice as late after each failure, up to a minute",
      standard: "once only", qmp: .qemu("reconnect"), in: "socket.reconnectMilliseconds"
    ) { $1.reconnect(milliseconds: $0.number * 1000) },
    BackendKey(
      "reconnect-ms", .time(unit: "milliseconds", limit: longestWait * 1000), "MILLISECONDS",
      for: connecting, "the same in milliseconds", qmp: .qemu("reconnect-ms"), sameAs: "reconnect",
      in: "socket.reconnectMilliseconds"
    ) { $1.reconnect(milliseconds: $0.number) },
    BackendKey(
      "nodelay", .flag, "on|off", for: tcp, "small writes go out at once", standard: "on",
      qmp: .qemu("nodelay"), in: "socket.hasNoDelay"
    ) { $1.socket?.hasNoDelay = $0.isOn },
    BackendKey(
      "keepalive", .number, "SECONDS", for: tcp,
      "a peer that gives no sign for so long is taken for dead, and its place is free; 0 for never",
      standard: "30", in: "socket.keepaliveSeconds"
    ) { $1.socket?.keepaliveSeconds = $0.number },
    BackendKey(
      "replay", .size, "SIZE",
      for: BackendKey.Purpose(
        listening.targets, listening.noun,
        inHelp: "listening sockets of consoles and --serial"),
      "a client gets the guest's last so many bytes first; bytes without a client are taken",
      standard: "none", in: "socket.replaySize"
    ) { $1.socket?.replaySize = $0.number },
    BackendKey(
      "expose", .flag,
      for: BackendKey.Purpose([.tcpListener], "listening on TCP", inHelp: "tcp"),
      "it may be reached from other machines", standard: "off", in: "socket.isReachableFromOutside"
    ) { $1.socket?.isReachableFromOutside = $0.isOn },
  ]

  private static let files = [
    BackendKey(
      "append", .flag, for: output, "it is added to, not emptied", standard: "off",
      qmp: .qemu("append"), in: "file.appends"
    ) { $1.file?.appends = $0.isOn },
    BackendKey(
      "rotate-size", .size, "SIZE", for: output, "goes on in a new file when so much is in it",
      standard: "no limit", qmp: .none, in: "file.rotation.size"
    ) { $1.file?.rotation = FileConfiguration.Rotation(size: UInt64(clamping: $0.number)) },
    BackendKey(
      "rotate-count", .number, "N", for: output, "how many old ones are kept", standard: "1",
      qmp: .none, with: "rotate-size", in: "file.rotation.count"
    ) { $1.file?.rotation?.count = $0.number },
  ]

  private static let all = [
    BackendKey(
      "log", .text, "PATH", for: any, "a file that gets a copy of the output", standard: "none",
      chardevName: "logfile", qmp: .qemu("logfile"), in: "log.path"
    ) { $1.chardev.log = LogConfiguration(path: $0.text) },
    BackendKey(
      "log-append", .flag, for: any, "the copy is added to the file", standard: "off",
      chardevName: "logappend", qmp: .qemu("logappend"), with: "log", in: "log.appends"
    ) { $1.chardev.log?.appends = $0.isOn },
    BackendKey(
      "log-annotate", .flag, for: any, "the file gets both directions, with time",
      standard: "off", qmp: .none, with: "log", in: "log.isAnnotated"
    ) { $1.chardev.log?.isAnnotated = $0.isOn },
    BackendKey(
      "mux", .flag, for: any,
      "several front ends share it by chardev=ID; Ctrl-A c gives the input to the next",
      standard: "off", qmp: .none, in: "isMultiplexed"
    ) { $1.chardev.isMultiplexed = $0.isOn },
    BackendKey(
      "chardev-id", .text, "ID", for: any, "what the backend is called for QMP and chardev=ID",
      chardevName: "id", qmp: .none, in: "id"
    ) { $1.chardev.id = $0.text },
  ]

  /// The longest time between two tries to connect, in seconds: a day.
  private static let longestWait = 86_400
}

extension BackendDraft {
  /// QEMU's 0 means never.
  fileprivate mutating func reconnect(milliseconds: Int) {
    socket?.role = .connecting(reconnectMilliseconds: milliseconds == 0 ? nil : milliseconds)
  }
}
