import Control
import Host

/// What the command line asks for.
enum Command: Equatable, Sendable {
  case run(RunRequest)
  case check(isQuiet: Bool)
  case help(CommandDescription?)
  case completion(ShellCompletion)
  case manual
  case control(VerbRequest)
  case version
}

/// The command line's grammar. Pure: looks at nothing but the words.
enum CommandParser {
  /// Reads the words after the program's name, each as the bytes it came in.
  ///
  /// - Parameter table: the commands and keys that there are.
  static func parse(
    _ words: [[UInt8]], _ table: CommandTable = .standard
  ) throws(UsageError) -> Command {
    guard let first = words.first else {
      throw UsageError("", "", "no command given", "see swiftvm --help")
    }
    let word = PlainText.displayed(first)
    let rest = words.dropFirst()
    if let general = [CommandOption.help, .version].first(where: { $0.name == word })
      ?? (word == "-h" ? .help : nil)
    {
      if let extra = rest.first {
        throw UsageError(
          "", PlainText.displayed(extra), "unexpected argument", "see swiftvm --help")
      }
      return general == .help ? .help(nil) : .version
    }
    guard let command = table.command(named: word) else {
      throw unknownCommand(word, isOption: word.utf8.starts(with: "-".utf8), table)
    }
    return try read(rest, of: command, table)
  }

  private static func read(
    _ words: ArraySlice<[UInt8]>, of command: CommandDescription, _ table: CommandTable
  ) throws(UsageError) -> Command {
    let (options, operands) = try ArgumentScanner.scan(words, of: command)
    // These count before everything else that was given with them.
    if options.contains(where: { $0.option == .help }) { return .help(command) }
    if options.contains(where: { $0.option == .version }) { return .version }
    let missing = command.operands.dropFirst(operands.count).first { $0.first != "[" }
    if let missing {
      throw UsageError(command.name, "", "\(missing) is missing", "give \(command.usage)")
    }
    return try command.read(Invocation(options: options, operands: operands, table: table))
  }

  private static func unknownCommand(
    _ word: String, isOption: Bool, _ table: CommandTable
  ) -> UsageError {
    guard !isOption else {
      return UsageError(
        word, "", "options follow a command",
        "give e.g. swiftvm run \(PlainText.shortened(word)), or see swiftvm --help")
    }
    let nearest = Suggestion.to(word, among: table.commands.map(\.name))
    return UsageError(
      "", word, "unknown command",
      nearest.map { "did you mean swiftvm \($0)?" } ?? "see swiftvm --help")
  }
}
