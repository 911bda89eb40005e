import SwiftVM

extension ConfigurationError {
  /// The same error, which names a port's option as the user did: ports may all come from `-device`.
  ///
  /// - Parameter words: the command line's.
  func named(asIn words: [[UInt8]]) -> ConfigurationError {
    let drivers = [OptionName.virtserialport, OptionName.virtconsole]
    let given = words.compactMap { word in
      CommandOption.plainName(
        String(decoding: word.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self))
    }
    guard drivers.contains(option), let driver = CommandOption.plainName(option),
      !(drivers + [OptionName.preset]).compactMap(CommandOption.plainName).contains(
        where: given.contains)
    else { return self }
    return ConfigurationError(
      option: OptionName.device + " " + driver, value: value, problem: problem, remedy: remedy)
  }
}
