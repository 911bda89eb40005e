import SwiftVM

/// The values of `--qmp` and of QEMU's `-mon`.
enum ControlWords {
  /// Keys that both have beside those that say where the socket is.
  private static let flags = ["host", "insecure"]
  private static let keys = ["allow-uid", "allow-gid"]

  /// A control socket: a path, or as QEMU's `-qmp` names it.
  static func socket(
    _ value: String, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> ControlSocketConfiguration {
    func error(_ problem: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.qmp, value: value, problem: problem, remedy: remedy)
    }
    let (place, rights) = KeyValueList.split(value, apart: flags + keys)
    let list = try KeyValueList(
      rights, option: OptionName.qmp, .init(optional: keys, flags: flags, example: "PATH,host=off"),
      given: value)
    let prefix = place.prefix { $0 != ":" }
    guard ["unix", "tcp", "chardev"].contains(prefix), prefix.count < place.count else {
      let others = ["stdio", "stderr", "mon:stdio", "none", "null", "pty"]
      guard !others.contains(place), !place.hasPrefix("telnet:"), !place.contains(",") else {
        throw error("QMP is spoken on a socket", "give a path, or unix:PATH,server=on,wait=off")
      }
      return try control(.unixSocketServer(path: place), list)
    }
    guard let end = try LegacyHostEnd.read(place, option: OptionName.qmp, &table) else {
      throw error("there is no such host end", "give a path, or unix:PATH,server=on,wait=off")
    }
    return try control(end, list)
  }

  /// The chardev of `-mon chardev=ID,mode=control`.
  static func monitor(
    _ value: String, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> ControlSocketConfiguration {
    let list = try KeyValueList(
      value, option: OptionName.mon,
      .init(
        optional: ["id", "mode"] + keys, flags: ["pretty"] + flags, implied: "chardev",
        example: "-mon chardev=ID,mode=control"))
    guard list["mode"] == "control" else {
      throw list.error("there is no human monitor", "add mode=control for QMP")
    }
    guard try list.isOn("pretty") != true else {
      throw list.error("replies come in one line each", "leave pretty out")
    }
    guard let id = list["chardev"] else {
      throw list.error("the key \"chardev\" is missing", "give -mon chardev=ID,mode=control")
    }
    return try control(try table.take(id, for: "mon.chardev") { list.error($0, $1) }, list)
  }

  private static func control(
    _ socket: ChardevConfiguration, _ list: KeyValueList
  ) throws(ConfigurationError) -> ControlSocketConfiguration {
    ControlSocketConfiguration(
      socket, opensHost: try list.isOn("host"), isInsecure: try list.isOn("insecure") ?? false,
      users: try list.numbers("allow-uid") ?? [], groups: try list.numbers("allow-gid") ?? [])
  }
}
