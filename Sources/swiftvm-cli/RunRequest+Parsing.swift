import SwiftVM

extension RunRequest {
  /// Reads the values of the options given.
  init(_ matches: [ArgumentScanner.Match]) throws(ConfigurationError) {
    self.init()
    for match in matches { try take(match.option.name, match.value) }
  }

  private mutating func take(_ option: String, _ value: String) throws(ConfigurationError) {
    switch option {
    case OptionName.kernel: kernelPath = value
    case OptionName.initrd: initialRamdiskPath = value
    case OptionName.append: appendedCommandLine = value
    case OptionName.memory: memorySize = try Self.memorySize(value)
    case OptionName.cpus: cpuCount = try Self.cpuCount(value)
    case OptionName.virtioSerial: devices.append(try Self.device(value))
    case OptionName.virtserialport: ports.append(try Self.port(value))
    case OptionName.virtconsole: ports.append(try Self.console(value))
    case OptionName.serial: serial = try Self.serial(value)
    case OptionName.emergency: emergency = try Self.emergency(value)
    case OptionName.noReboot: resetPolicy = .exit
    case OptionName.stats: printsStatistics = true
    case OptionName.trace: printsTrace = true
    case OptionName.timings: printsTimings = true
    // In the table, so known to the help, but not here: better said than ignored.
    default:
      throw ConfigurationError(
        option: option, value: value, problem: "this option is not supported",
        remedy: "leave it out")
    }
  }

  private static func memorySize(_ value: String) throws(ConfigurationError) -> UInt64 {
    do throws(ByteCount.ParseError) {
      return try ByteCount.parse(value)
    } catch {
      let (problem, remedy) =
        switch error {
        case .malformed:
          ("this is not a size", "give a number with K, M or G, e.g. --memory 512M")
        case .tooLarge: ("no machine has so much memory", "give e.g. --memory 512M")
        }
      throw ConfigurationError(
        option: OptionName.memory, value: value, problem: problem, remedy: remedy)
    }
  }

  private static func cpuCount(_ value: String) throws(ConfigurationError) -> Int {
    guard value.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      throw ConfigurationError(
        option: OptionName.cpus, value: value, problem: "this is not a whole number",
        remedy: "give e.g. --cpus 2")
    }
    guard let count = Int(value) else {
      throw ConfigurationError(
        option: OptionName.cpus, value: value, problem: "no machine has so many CPUs",
        remedy: "give e.g. --cpus 2")
    }
    return count
  }

  private static func serial(_ value: String) throws(ConfigurationError) -> SerialPortAttachment {
    switch value {
    case "stdio": return .standardIO
    case "none": return .none
    default:
      guard let path = try file(value, OptionName.serial) else {
        throw noSuchHostEnd(value, OptionName.serial, ["stdio", "none", "file=PATH"])
      }
      return .file(path: path)
    }
  }

  private static func emergency(
    _ value: String
  ) throws(ConfigurationError) -> EmergencyOutputAttachment {
    if value == "serial" { return .serialPort }
    guard let path = try file(value, OptionName.emergency) else {
      throw noSuchHostEnd(value, OptionName.emergency, ["serial", "file=PATH"])
    }
    return .file(path: path)
  }

  /// The path of `file=PATH`; nil for something else.
  private static func file(_ value: String, _ option: String) throws(ConfigurationError) -> String?
  {
    guard value.utf8.starts(with: "file=".utf8) else { return nil }
    return try KeyValueList(value, option: option, keys: ["file"], example: "file=PATH")
      .required("file")
  }

  private static func noSuchHostEnd(
    _ value: String, _ option: String, _ words: [String]
  ) -> ConfigurationError {
    let nearest =
      value.utf8.starts(with: "file:".utf8) ? "file=PATH" : NearestWord.to(value, among: words)
    let all = words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
    return ConfigurationError(
      option: option, value: value, problem: "there is no such host end",
      remedy: nearest.map { "did you mean \($0)?" } ?? "give " + all)
  }
}
