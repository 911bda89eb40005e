import SwiftVM

/// What the command line asks for.
package enum Command: Equatable, Sendable {
  /// Boot a guest.
  case run(RunRequest)
  /// Tell whether this host can.
  case check(isQuiet: Bool)
  /// Explain a topic.
  case help(HelpText.Topic)
  /// Tell the version.
  case version
}

/// The command line's grammar. Pure: looks at nothing but the words.
package enum CommandParser {
  /// Reads the words after the program's name, each as the bytes it came in.
  package static func parse(_ words: [[UInt8]]) throws(ConfigurationError) -> Command {
    guard let first = words.first else {
      throw ConfigurationError(
        option: "", problem: "no command given", remedy: "see swiftvm --help")
    }
    let word = PlainText.displayed(first)
    let rest = words.dropFirst()
    switch word {
    case "run": return try parseRun(rest)
    case "check": return try parseCheck(rest)
    case "help": return .help(try topic(rest))
    case OptionTable.help.name, "-h":
      try expectEnd(rest)
      return .help(.overview)
    case OptionTable.version.name:
      try expectEnd(rest)
      return .version
    default: throw unknownCommand(word)
    }
  }

  private static func parseRun(_ words: ArraySlice<[UInt8]>) throws(ConfigurationError) -> Command {
    let matches = try ArgumentScanner.scan(words, command: "run", table: OptionTable.run)
    if let command = general(matches, topic: .run) { return command }
    return .run(try RunRequest(matches))
  }

  private static func parseCheck(
    _ words: ArraySlice<[UInt8]>
  ) throws(ConfigurationError) -> Command {
    let matches = try ArgumentScanner.scan(words, command: "check", table: OptionTable.check)
    if let command = general(matches, topic: .check) { return command }
    return .check(isQuiet: matches.contains { $0.option == OptionTable.quiet })
  }

  /// `--help` and `--version` count before everything else that was given with them.
  private static func general(_ matches: [ArgumentScanner.Match], topic: HelpText.Topic) -> Command?
  {
    if matches.contains(where: { $0.option == OptionTable.help }) { return .help(topic) }
    if matches.contains(where: { $0.option == OptionTable.version }) { return .version }
    return nil
  }

  private static func topic(
    _ words: ArraySlice<[UInt8]>
  ) throws(ConfigurationError) -> HelpText.Topic {
    guard let first = words.first else { return .overview }
    let word = PlainText.displayed(first)
    guard let topic = HelpText.Topic(rawValue: word) else {
      throw ConfigurationError(
        option: "help", value: word, problem: "there is no such command",
        remedy: "see swiftvm --help")
    }
    try expectEnd(words.dropFirst())
    return topic
  }

  private static func expectEnd(_ words: ArraySlice<[UInt8]>) throws(ConfigurationError) {
    guard let extra = words.first else { return }
    throw ConfigurationError(
      option: "", value: PlainText.displayed(extra), problem: "this word is too many",
      remedy: "see swiftvm --help")
  }

  private static func unknownCommand(_ word: String) -> ConfigurationError {
    guard !word.utf8.starts(with: "-".utf8) else {
      return ConfigurationError(
        option: word, problem: "options follow a command",
        remedy: "give e.g. swiftvm run \(PlainText.shortened(word)), or see swiftvm --help")
    }
    let nearest = NearestWord.to(word, among: HelpText.Topic.commands)
    return ConfigurationError(
      option: "", value: word, problem: "unknown command",
      remedy: nearest.map { "did you mean swiftvm \($0)?" } ?? "see swiftvm --help")
  }
}
