import SwiftVM

/// What the command line asks for.
package enum Command: Equatable, Sendable {
  /// Boot a guest.
  case run(RunRequest)
  /// Tell whether this host can.
  case check(isQuiet: Bool)
  /// Explain a command; nil for an overview.
  case help(CommandDescription?)
  /// Print a shell's completion script.
  case completion(ShellCompletion)
  /// Print the manual page.
  case manual
  /// Have a running machine do something.
  case control(VerbRequest)
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
    case CommandTable.run.name: return try parseRun(rest)
    case CommandTable.check.name: return try parseCheck(rest)
    case CommandTable.completion.name: return try parseCompletion(rest)
    case CommandTable.manual.name: return try parseManual(rest)
    case CommandTable.help.name: return .help(try command(rest))
    case OptionTable.help.name, "-h":
      try expectEnd(rest)
      return .help(nil)
    case OptionTable.version.name:
      try expectEnd(rest)
      return .version
    default:
      guard let verb = ControlVerb(rawValue: word) else { throw unknownCommand(word) }
      guard let request = try VerbRequest(verb, rest) else { return .help(verb.command) }
      return .control(request)
    }
  }

  private static func parseRun(_ words: ArraySlice<[UInt8]>) throws(ConfigurationError) -> Command {
    let matches = try ArgumentScanner.scan(words, command: "run", table: OptionTable.run)
    if let command = general(matches, of: CommandTable.run) { return command }
    return .run(try RunRequest(matches))
  }

  private static func parseCheck(
    _ words: ArraySlice<[UInt8]>
  ) throws(ConfigurationError) -> Command {
    let matches = try ArgumentScanner.scan(words, command: "check", table: OptionTable.check)
    if let command = general(matches, of: CommandTable.check) { return command }
    return .check(isQuiet: matches.contains { $0.option == OptionTable.quiet })
  }

  /// `--help` and `--version` count before everything else that was given with them.
  private static func general(
    _ matches: [ArgumentScanner.Match], of command: CommandDescription
  ) -> Command? {
    if matches.contains(where: { $0.option == OptionTable.help }) { return .help(command) }
    if matches.contains(where: { $0.option == OptionTable.version }) { return .version }
    return nil
  }

  private static func parseCompletion(
    _ words: ArraySlice<[UInt8]>
  ) throws(ConfigurationError) -> Command {
    let word = words.first.map(PlainText.displayed) ?? ""
    if [OptionTable.help.name, "-h"].contains(word) { return .help(CommandTable.completion) }
    guard let shell = ShellCompletion(rawValue: word) else {
      throw ConfigurationError(
        option: CommandTable.completion.name, value: word,
        problem: word.isEmpty ? "the shell is missing" : "there is no script for this shell",
        remedy: "give \(CommandTable.completion.arguments)")
    }
    try expectEnd(words.dropFirst())
    return .completion(shell)
  }

  private static func parseManual(
    _ words: ArraySlice<[UInt8]>
  ) throws(ConfigurationError) -> Command {
    if let word = words.first.map(PlainText.displayed),
      [OptionTable.help.name, "-h"].contains(word)
    {
      return .help(CommandTable.manual)
    }
    try expectEnd(words)
    return .manual
  }

  private static func command(
    _ words: ArraySlice<[UInt8]>
  ) throws(ConfigurationError) -> CommandDescription? {
    guard let first = words.first else { return nil }
    let word = PlainText.displayed(first)
    let isHelp = [OptionTable.help.name, "-h"].contains(word)
    guard let command = isHelp ? CommandTable.help : CommandTable.command(named: word) else {
      throw ConfigurationError(
        option: "help", value: word, problem: "there is no such command",
        remedy: "see swiftvm --help")
    }
    try expectEnd(words.dropFirst())
    return command
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
    let nearest = Suggestion.to(word, among: CommandTable.all.map(\.name))
    return ConfigurationError(
      option: "", value: word, problem: "unknown command",
      remedy: nearest.map { "did you mean swiftvm \($0)?" } ?? "see swiftvm --help")
  }
}
