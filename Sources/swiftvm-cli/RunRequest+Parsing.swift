import SwiftVM

extension RunRequest {
  /// Reads the values of the options given. The order matters only between devices and between ports.
  init(_ matches: [ArgumentScanner.Match]) throws(ConfigurationError) {
    self.init()
    var hostEnds = HostEndTable()
    for match in matches where match.option.name == OptionName.chardev {
      try hostEnds.add(try ChardevOption.read(match.value, &hostEnds))
    }
    for match in matches where match.option.name != OptionName.chardev {
      try take(match, &hostEnds)
    }
    characterDevices = hostEnds.unused
    try refuseStandardIOOfDaemon()
  }

  private mutating func take(
    _ match: ArgumentScanner.Match, _ hostEnds: inout HostEndTable
  ) throws(ConfigurationError) {
    let value = match.value
    switch match.option.name {
    case OptionName.kernel: kernelPath = value
    case OptionName.initrd: initialRamdiskPaths.append(value)
    case OptionName.append: appendedCommandLine = value
    case OptionName.virtioSerial: devices.append(try Self.device(value))
    case OptionName.virtserialport: ports.append(try Self.port(value, &hostEnds))
    case OptionName.virtconsole: ports.append(try Self.console(value, &hostEnds))
    case OptionName.preset: ports.append(try Self.preset(value, &hostEnds))
    case OptionName.device: try DeviceOption.read(value, into: &self, &hostEnds)
    case OptionName.serial: serial = try readSerial(value, &hostEnds)
    case OptionName.emergency: emergency = try Self.emergency(value, &hostEnds)
    case OptionName.qmp: controlSockets.append(try ControlWords.socket(value, &hostEnds))
    case OptionName.mon: controlSockets.append(try ControlWords.monitor(value, &hostEnds))
    case OptionName.pidFile: pidFilePath = value
    case OptionName.daemonize: daemonizes = true
    case OptionName.noReboot: resetPolicy = .exit
    case OptionName.onTerminate: powerDownSeconds = try Self.powerDownSeconds(value)
    case OptionName.linger: lingerLimit = try Self.seconds(value, of: value, OptionName.linger)
    case OptionName.stats: printsStatistics = true
    case OptionName.trace: printsTrace = true
    case OptionName.timings: printsTimings = true
    default: try MachineOptions.take(match, into: &self)
    }
  }

  private func refuseStandardIOOfDaemon() throws(ConfigurationError) {
    guard daemonizes else { return }
    let attachments = namedAttachments + [serialAttachment]
    guard attachments.contains(where: \.includesStandardStream) else { return }
    throw ConfigurationError(
      option: OptionName.daemonize,
      problem: "a daemon has no standard input and output, which a port or the serial console has",
      remedy: "give e.g. --serial none, --serial pty or --serial file=PATH")
  }

  /// What SIGTERM leads to: seconds for the guest to power off, or nil for the machine's end.
  private static func powerDownSeconds(_ value: String) throws(ConfigurationError) -> Int? {
    if value == "end" { return nil }
    if value == "powerdown" { return 60 }
    guard value.utf8.starts(with: "powerdown,".utf8) else {
      throw ConfigurationError(
        option: OptionName.onTerminate, value: value, problem: "there is no such action",
        remedy: "give powerdown, powerdown,SECONDS or end")
    }
    return try seconds(String(value.dropFirst(10)), of: value, OptionName.onTerminate)
  }

  private static func seconds(
    _ text: String, of value: String, _ option: String
  ) throws(ConfigurationError) -> Int {
    let isNumber = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard isNumber, let seconds = Int(text), seconds <= 86400 else {
      throw ConfigurationError(
        option: option, value: value, problem: "this is not a number of seconds",
        remedy: "give 0 to 86400")
    }
    return seconds
  }

  private mutating func readSerial(
    _ value: String, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> SerialPortAttachment {
    let option = OptionName.serial
    serialWaitsForReader = false
    if LegacyHostEnd.isMeant(value) {
      if let end = try LegacyHostEnd.read(value, option: option, &table) { return end }
      throw Self.noSuchHostEnd(value, option, LegacyHostEnd.forms)
    }
    let words = ["stdio", "stderr", "none", "pty", "file=PATH", "socket=PATH"]
    guard value.contains("=") || value.contains(",") || value == "ringbuf" else {
      throw Self.noSuchHostEnd(value, option, words)
    }
    var grammar = KeyValueList.Grammar(
      optional: KeyValueList.consolePolicyKeys, example: "file=PATH")
    ShortHostEnd.extend(&grammar)
    let list = try KeyValueList(value, option: option, grammar)
    guard let end = try ShortHostEnd.read(list, &table, property: "serial") else {
      throw list.error("the host end is missing", "give e.g. stdio, none or file=PATH")
    }
    let overflow: VirtioConsolePortPolicy.Overflow? = try list.choice("overflow")
    guard overflow != .dropOldest else {
      throw list.error(
        "the serial console drops what is newest, or nothing", "give overflow=wait, or leave it out"
      )
    }
    serialWaitsForReader = overflow == .wait
    return end
  }

  private static func emergency(
    _ value: String, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> EmergencyOutputAttachment {
    if value == "serial" { return .serialPort }
    let key = value.prefix { $0 != "=" }
    guard ["file=", "chardev="].contains(where: { value.utf8.starts(with: $0.utf8) }) else {
      throw noSuchHostEnd(value, OptionName.emergency, ["serial", "file=PATH", "chardev=ID"])
    }
    let list = try KeyValueList(
      value, option: OptionName.emergency,
      .init(
        required: [String(key)], example: key == "file" ? "file=PATH" : "chardev=ID"))
    if let path = list["file"] { return .file(path: path) }
    return .hostEnd(
      try table.take(list.required("chardev"), for: "emergency") { list.error($0, $1) })
  }

  private static func noSuchHostEnd(
    _ value: String, _ option: String, _ words: [String]
  ) -> ConfigurationError {
    let nearest =
      value.utf8.starts(with: "file:".utf8) ? "file=PATH" : Suggestion.to(value, among: words)
    let all = words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
    return ConfigurationError(
      option: option, value: value, problem: "there is no such host end",
      remedy: nearest.map { "did you mean \($0)?" } ?? "give " + all)
  }
}
