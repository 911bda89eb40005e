import SwiftVM

extension ConfigurationError {
  /// The same error, which names the option as the user did: by another of its names, or as a
  /// `-device` where that has made the device or port.
  ///
  /// - Parameter words: the command line's.
  func named(asIn words: [[UInt8]]) -> ConfigurationError {
    let given = words.compactMap { word in
      CommandOption.plainName(
        String(decoding: word.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self))
    }
    func isGiven(_ name: String) -> Bool {
      CommandOption.plainName(name).map(given.contains) ?? false
    }
    let ports = [OptionName.virtserialport, OptionName.virtconsole, OptionName.preset]
    var name = option
    if ports.dropLast().contains(option) || option == OptionName.virtioSerial {
      let others = option == OptionName.virtioSerial ? [option] : ports
      if !others.contains(where: isGiven), isGiven(OptionName.device) {
        name = OptionName.device + " " + (CommandOption.plainName(option) ?? option)
      }
    } else if !isGiven(option) {
      name =
        OptionTable.run.first { $0.name == option }?.otherNames.first(where: isGiven) ?? option
    }
    return ConfigurationError(option: name, value: value, problem: problem, remedy: remedy)
  }
}
