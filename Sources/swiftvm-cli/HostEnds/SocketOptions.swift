import SwiftVM

/// QEMU's keys of sockets, as `-chardev socket` and `-serial unix:` have them.
enum SocketOptions {
  /// Keys that say where the socket is.
  private static let addressKeys = ["path", "host", "port", "to", "fd"]

  /// Adds the keys to a grammar.
  static func extend(_ grammar: inout KeyValueList.Grammar) {
    grammar.optional += addressKeys
    extendOptions(&grammar)
    grammar.flags += ["abstract"]
    grammar.fixed["tight"] = .init(["on"], "give the name without padding")
  }

  /// Adds those that do not say where the socket is.
  static func extendOptions(_ grammar: inout KeyValueList.Grammar) {
    grammar.optional += HostEndOptions.keys.filter { !$0.hasPrefix("rotate") }
    grammar.flags += HostEndOptions.flags.filter { $0 != "append" } + ["server", "ipv4", "ipv6"]
    let plain = "put a relay such as socat before a plain socket"
    for key in ["telnet", "tn3270", "websocket"] { grammar.fixed[key] = .init(["off"], plain) }
    for key in ["tls-creds", "tls-authz"] { grammar.fixed[key] = .init([], plain) }
    grammar.fixed["mptcp"] = .init(["off"])
    grammar.fixed["keep-alive"] = .init(["on", "off"], "give keepalive=SECONDS")
    grammar.fixed["delay"] = .init([], "give nodelay=on or nodelay=off")
    grammar.fixed["cid"] = .init([], "there is no vsock; use path=PATH or host=HOST,port=PORT")
  }

  /// The host end that the keys describe.
  static func backend(
    _ list: KeyValueList
  ) throws(ConfigurationError) -> ChardevConfiguration.Backend {
    let kinds = ["path", "fd", "port"].filter { list[$0] != nil }
    guard let kind = kinds.first else {
      throw list.error(
        "chardev: socket: no address given", "add path=PATH, or host=HOST,port=PORT, or fd=NUMBER")
    }
    guard kinds.count == 1 else {
      throw list.error("\"\(kinds[0])\" and \"\(kinds[1])\" exclude each other", "give one of them")
    }
    if kind != "port" {
      for key in ["host", "to", "ipv4", "ipv6"] where list[key] != nil {
        throw list.error("\"\(key)\" is for TCP", "leave it out")
      }
    }
    if kind != "path", list["abstract"] != nil {
      throw list.error("\"abstract\" is for Unix sockets", "leave it out")
    }
    switch kind {
    case "fd": return try inherited(list)
    case "path":
      let path = list.required("path")
      let isAbstract = try list.isOn("abstract") ?? false
      return .socket(try socket(list, isAbstract ? .abstract(name: path) : .unix(path: path)))
    default:
      let port = try list.port("port") ?? 0
      let host = try family(list, host: list["host"])
      let address = SocketConfiguration.Address.tcp(
        host: host, port: port, lastPort: try list.port("to"))
      return .socket(try socket(list, address))
    }
  }

  /// A socket at an address, with the list's options. A listener waits for a client unless told
  /// otherwise, as in QEMU.
  static func socket(
    _ list: KeyValueList, _ address: SocketConfiguration.Address
  ) throws(ConfigurationError) -> SocketConfiguration {
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
    let target: HostEndOptions.Target =
      switch address {
      case .unix: isListening ? .listener : .connector
      case .abstract: isListening ? .abstractListener : .connector
      case .tcp: isListening ? .tcpListener : .tcpConnector
      }
    return try HostEndOptions(list, for: [target])
      .socket(address, isListening: isListening, waits: true)
  }

  /// The inherited socket knows itself whether it listens.
  private static func inherited(
    _ list: KeyValueList
  ) throws(ConfigurationError) -> ChardevConfiguration.Backend {
    if try list.isOn("server") == true, try list.isOn("wait") != false {
      throw list.error("the start does not wait for clients of an inherited socket", "add wait=off")
    }
    let keys = HostEndOptions.keys + HostEndOptions.flags
    for key in keys where key != "wait" && list[key] != nil {
      throw list.error("\"\(key)\" is not for inherited sockets", "leave it out")
    }
    return .descriptor(try list.descriptor(list.required("fd")))
  }

  /// The values of `-chardev udp`.
  static func datagram(
    _ list: KeyValueList
  ) throws(ConfigurationError) -> DatagramConfiguration {
    guard let port = try list.port("port") else {
      throw list.error("chardev: udp: remote port not specified", "add port=PORT")
    }
    return DatagramConfiguration(
      host: try family(list, host: list["host"] ?? InternetAddress.loopback), port: port,
      localHost: list["localaddr"],
      localPort: try list.port("localport") ?? 0)
  }

  /// The host, by the family of addresses asked for: of loopback there are two, and any other host is
  /// of one family or names it by its address.
  private static func family(
    _ list: KeyValueList, host: String?
  ) throws(ConfigurationError) -> String {
    let isIPv4 = try list.isOn("ipv4")
    let isIPv6 = try list.isOn("ipv6")
    let wantsIPv4 = isIPv4 == true && isIPv6 != true || isIPv6 == false && isIPv4 != false
    let wantsIPv6 = isIPv6 == true && isIPv4 != true || isIPv4 == false && isIPv6 != false
    guard isIPv4 != false || isIPv6 != false else {
      throw list.error("both families of addresses are off", "leave ipv4 and ipv6 out")
    }
    guard wantsIPv4 || wantsIPv6 else { return host ?? "" }
    guard let host, host != InternetAddress.loopback else {
      let isReachable = host == nil && list["expose"] == "on"
      return wantsIPv4 ? (isReachable ? "0.0.0.0" : "127.0.0.1") : (isReachable ? "::" : "::1")
    }
    let isIPv6Address = host.utf8.contains(UInt8(ascii: ":"))
    let isIPv4Address = host.utf8.allSatisfy {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".")
    }
    guard wantsIPv4 ? isIPv4Address : isIPv6Address else {
      throw list.error(
        "a host's family is told by its address", "give host= as an address, without ipv4 and ipv6")
    }
    return host
  }
}
