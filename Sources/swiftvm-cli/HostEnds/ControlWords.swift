import SwiftVM

/// The values of `--qmp` and of QEMU's `-mon`.
enum ControlWords {
  /// A control socket: a path, or as QEMU's `-qmp` names it.
  static func socket(
    _ value: String, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> ChardevConfiguration {
    func error(_ problem: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.qmp, value: value, problem: problem, remedy: remedy)
    }
    let prefix = value.prefix { $0 != ":" }
    guard ["unix", "tcp", "chardev"].contains(prefix), prefix.count < value.count else {
      let others = ["stdio", "mon:stdio", "none", "null", "pty"]
      guard !others.contains(value), !value.hasPrefix("telnet:"), !value.contains(",") else {
        throw error("QMP is spoken on a socket", "give a path, or unix:PATH,server=on,wait=off")
      }
      return .unixSocketServer(path: value)
    }
    guard let end = try LegacyHostEnd.read(value, option: OptionName.qmp, &table) else {
      throw error("there is no such host end", "give a path, or unix:PATH,server=on,wait=off")
    }
    return end
  }

  /// The chardev of `-mon chardev=ID,mode=control`.
  static func monitor(
    _ value: String, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> ChardevConfiguration {
    let list = try KeyValueList(
      value, option: OptionName.mon,
      .init(
        optional: ["id", "mode"], flags: ["pretty"], implied: "chardev",
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
    return try table.take(id, for: "mon.chardev") { list.error($0, $1) }
  }
}
