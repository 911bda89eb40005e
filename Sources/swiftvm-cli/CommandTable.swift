import Control

/// A command, as a row: what the parser, the help, the manual page and the shells know of it, and what
/// it does.
struct CommandDescription: Equatable, Sendable {
  let name: String
  /// The words that follow it besides options; one in brackets may be missing.
  let operands: [String]
  /// What follows the name, as a pattern.
  let arguments: String
  let summary: String
  /// What it does, in sentences; unwrapped.
  let explanation: String
  let options: [CommandOption]
  /// Whether its help explains the keys of backends, too.
  let explainsKeys: Bool
  /// Makes what is to be done of what was given.
  let read: Reader

  typealias Reader = @Sendable (Invocation) throws(UsageError) -> Command

  init(
    _ name: String, _ operands: [String] = [], arguments: String? = nil, summary: String,
    explanation: String, options: [CommandOption], explainsKeys: Bool = false,
    read: @escaping Reader
  ) {
    self.name = name
    self.operands = operands
    self.arguments = arguments ?? operands.joined(separator: " ")
    self.summary = summary
    self.explanation = explanation
    self.options = options
    self.explainsKeys = explainsKeys
    self.read = read
  }

  /// By name, which no two commands share.
  static func == (first: CommandDescription, second: CommandDescription) -> Bool {
    first.name == second.name
  }

  /// Name and arguments, as they are typed.
  var usage: String { "swiftvm " + name + (arguments.isEmpty ? "" : " " + arguments) }
}

/// What a command was given.
struct Invocation {
  let options: [GivenOption]
  let operands: [String]
  /// All commands, and the keys of backends.
  let table: CommandTable

  /// The value of an option; empty for one that takes none, nil for one that was not given.
  subscript(option: CommandOption) -> String? {
    options.first { $0.option == option }?.value
  }
}

/// Every command and every key of backends. The parser, the help, the manual page and the shells'
/// completions all go by it: a row added here is known to each.
struct CommandTable: Sendable {
  /// In the order in which the help shows them.
  var commands: [CommandDescription]
  var keys: BackendKeys

  static let standard = CommandTable(
    commands: [run, check] + Verb.all + [completion, manual, help], keys: .standard)

  func command(named name: String) -> CommandDescription? {
    commands.first { $0.name == name }
  }

  static let run = CommandDescription(
    "run", arguments: "[OPTIONS]", summary: "boot a guest",
    explanation:
      "Boots a Linux guest, and ends when the guest powers off. A value follows its option"
      + " as the next word or after an equals sign (--memory 1G, --memory=1G).",
    options: RunOptions.all + QEMUOptions.all + [.help, .version], explainsKeys: true
  ) { (given) throws(UsageError) in .run(try RunReader.request(given.options, given.table.keys)) }

  static let quiet = CommandOption("--quiet", help: "Print nothing; the exit status tells.")

  static let check = CommandDescription(
    "check", arguments: "[OPTIONS]", summary: "tell whether this host can run guests",
    explanation: "Tells whether this host can run guests and, if it cannot, what to do. The exit"
      + " status is 0 where Linux kernels run, else 1.",
    options: [quiet, .help, .version]
  ) { .check(isQuiet: $0[quiet] != nil) }

  static let completion = CommandDescription(
    "completion", ["bash|zsh|fish"], summary: "print a shell's completion script",
    explanation: "Prints a script that teaches a shell this program's commands and options. Bash:"
      + " source <(swiftvm completion bash). \"make install\" puts the scripts where the shells look"
      + " for them.",
    options: [.help]
  ) { (given) throws(UsageError) in
    let word = given.operands.first ?? ""
    guard let shell = ShellCompletion(rawValue: word) else {
      throw UsageError(
        "completion", word, "there is no script for this shell", "give bash|zsh|fish")
    }
    return .completion(shell)
  }

  static let manual = CommandDescription(
    "manual", summary: "print the manual page",
    explanation: "Prints the manual page in the form that man(1) reads: swiftvm manual | man -l -.",
    options: [.help]
  ) { _ in .manual }

  static let help = CommandDescription(
    "help", ["[COMMAND]"], summary: "explain a command and its options",
    explanation: "Explains a command and its options, or else lists the commands.", options: []
  ) { (given) throws(UsageError) in
    guard let word = given.operands.first else { return .help(nil) }
    guard let command = given.table.command(named: word) else {
      throw UsageError("help", word, "there is no such command", "see swiftvm --help")
    }
    return .help(command)
  }
}
