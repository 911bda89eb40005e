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
    case OptionName.virtserialport: ports.append(try Self.port(value))
    case OptionName.serial: serial = try Self.serial(value)
    case OptionName.noReboot: resetPolicy = .exit
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

  private static func port(
    _ value: String
  ) throws(ConfigurationError) -> VirtioConsolePortConfiguration {
    let list = try KeyValueList(
      value, option: OptionName.virtserialport, keys: ["name", "socket"],
      example: "name=NAME,socket=PATH")
    return VirtioConsolePortConfiguration(
      name: list["name"], attachment: .unixSocketServer(path: list["socket"]))
  }

  private static func serial(_ value: String) throws(ConfigurationError) -> SerialPortAttachment {
    switch value {
    case "stdio": return .standardIO
    case "none": return .none
    case _ where value.utf8.starts(with: "file=".utf8):
      let list = try KeyValueList(
        value, option: OptionName.serial, keys: ["file"], example: "file=PATH")
      return .file(path: list["file"])
    default:
      let nearest =
        value.utf8.starts(with: "file:".utf8)
        ? "file=PATH" : NearestWord.to(value, among: ["stdio", "none", "file=PATH"])
      throw ConfigurationError(
        option: OptionName.serial, value: value, problem: "there is no such host end",
        remedy: nearest.map { "did you mean \($0)?" } ?? "give stdio, none or file=PATH")
    }
  }
}
