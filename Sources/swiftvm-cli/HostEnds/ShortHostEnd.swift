import SwiftVM

/// Host ends as keys of `--virtserialport`, `--virtconsole` and `--serial`: one key says what it is,
/// and others refine it. Several make a port with several host ends.
struct ShortHostEnd {
  /// Keys that say what a host end is, and have a value.
  private static let ends = [
    "socket", "connect", "abstract", "connect-abstract", "tcp", "tcp-connect", "udp", "file",
    "input", "pipe", "pty", "ringbuf", "fd", "exec", "chardev",
  ]
  /// What says so alone.
  private static let words = ["stdio", "stderr", "null", "pty", "ringbuf"]

  /// Adds the keys to those of an option.
  static func extend(_ grammar: inout KeyValueList.Grammar) {
    grammar.optional +=
      ends + HostEndOptions.keys + ["log", "chardev-id"]
    grammar.words += words
    grammar.flags += HostEndOptions.flags + ["log-append", "log-annotate", "mux"]
  }

  /// The host end that a list describes; nil where it names none.
  static func read(
    _ list: KeyValueList, _ table: inout HostEndTable, property: String
  ) throws(ConfigurationError) -> ChardevConfiguration? {
    let reader = ShortHostEnd(list: list, options: try HostEndOptions(list, for: targets(of: list)))
    var members = try reader.members
    if let id = list["chardev"] {
      members.append(try table.take(id, for: property) { list.error($0, $1) })
    }
    guard let first = members.first else { return nil }
    guard members.count > 1 || list["chardev"] == nil else {
      for key in ["chardev-id", "log", "log-append", "log-annotate", "mux"] where list[key] != nil {
        throw list.error(
          "\"\(key)\" is for a host end that is described here",
          "give it to the -chardev")
      }
      return first
    }
    var end = members.count == 1 ? first : ChardevConfiguration(.several(members))
    end.id = list["chardev-id"]
    end.log = try list.log(path: "log", appends: "log-append")
    end.isMultiplexed = try list.isOn("mux") ?? false
    return end
  }

  private static func targets(of list: KeyValueList) -> Set<HostEndOptions.Target> {
    let all: [(String, HostEndOptions.Target)] = [
      ("socket", .listener), ("abstract", .abstractListener), ("tcp", .tcpListener),
      ("connect", .connector), ("connect-abstract", .connector), ("tcp-connect", .tcpConnector),
      ("file", .output),
    ]
    return Set<HostEndOptions.Target>(all.lazy.filter { list[$0.0] != nil }.map(\.1))
  }

  private let list: KeyValueList
  private let options: HostEndOptions

  private var members: [ChardevConfiguration] {
    get throws(ConfigurationError) {
      var backends: [ChardevConfiguration.Backend] = []
      if list["stdio"] != nil { backends.append(.standardIO) }
      if list["stderr"] != nil { backends.append(.standardError) }
      if list["null"] != nil { backends.append(.null) }
      for socket in try sockets { backends.append(.socket(socket)) }
      if let text = list["udp"] {
        guard let datagram = DatagramConfiguration(words: text) else {
          throw list.error(
            "the value of \"udp\" is not an address", "give udp=HOST:PORT[@LOCALHOST:LOCALPORT]")
        }
        backends.append(.datagram(datagram))
      }
      if list["file"] != nil || list["input"] != nil {
        var file = FileConfiguration(output: list["file"], input: list["input"])
        if list["file"] != nil { try options.refine(&file) }
        backends.append(.file(file))
      }
      return (backends + (try others)).map { ChardevConfiguration($0) }
    }
  }

  private var others: [ChardevConfiguration.Backend] {
    get throws(ConfigurationError) {
      var backends: [ChardevConfiguration.Backend] = []
      if let path = list["pipe"] { backends.append(.pipe(path: path)) }
      if let link = list["pty"] {
        backends.append(.pseudoTerminal(link: link.isEmpty ? nil : link))
      }
      if let size = list["ringbuf"] {
        let bytes = size.isEmpty ? nil : try list.size("ringbuf")
        backends.append(bytes.map { .ringBuffer(size: Int(clamping: $0)) } ?? .ringBuffer())
      }
      if let text = list["fd"] { backends.append(.descriptor(try list.descriptor(text))) }
      if let command = list["exec"] { backends.append(.program(command: command)) }
      return backends
    }
  }

  private var sockets: [SocketConfiguration] {
    get throws(ConfigurationError) {
      var sockets: [SocketConfiguration] = []
      for (key, isListening) in [
        ("socket", true), ("abstract", true), ("tcp", true), ("connect", false),
        ("connect-abstract", false), ("tcp-connect", false),
      ] {
        guard let value = list[key] else { continue }
        sockets.append(
          try options.socket(
            try address(value, key, isListening: isListening), isListening: isListening,
            waits: false))
      }
      return sockets
    }
  }

  private func address(
    _ value: String, _ key: String, isListening: Bool
  ) throws(ConfigurationError) -> SocketConfiguration.Address {
    switch key {
    case "socket", "connect": return .unix(path: value)
    case "abstract", "connect-abstract": return .abstract(name: value)
    default:
      guard let address = InternetAddress(value, allowsRange: isListening) else {
        throw list.error(
          "the value of \"\(key)\" is not an address",
          "give \(key)=HOST:PORT" + (isListening ? ", PORT or HOST:FIRST-LAST" : ""))
      }
      return .tcp(host: address.host, port: address.port, lastPort: address.lastPort)
    }
  }
}

extension KeyValueList {
  /// A log's description; nil for none.
  func log(path: String, appends: String) throws(ConfigurationError) -> LogConfiguration? {
    guard let value = self[path] else {
      for key in [appends, "log-annotate"] where self[key] != nil {
        throw error("\"\(key)\" is without \"\(path)\"", "give \(path)=PATH")
      }
      return nil
    }
    return LogConfiguration(
      path: value, appends: try isOn(appends) ?? false,
      isAnnotated: try isOn("log-annotate") ?? false)
  }

  /// A descriptor by its number, or by the name that systemd's socket activation gave it.
  func descriptor(_ text: String) throws(ConfigurationError) -> DescriptorSource {
    guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      return .activation(name: text)
    }
    guard let number = Int32(text) else {
      throw error("no descriptor has such a number", "give fd=NUMBER or fd=NAME")
    }
    return .number(number)
  }
}
