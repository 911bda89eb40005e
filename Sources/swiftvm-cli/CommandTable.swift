/// A command as the parser, the help, the manual page and the shells know it.
package struct CommandDescription: Equatable, Sendable {
  /// The word after the program's name.
  package let name: String
  /// What follows the name, as a pattern.
  package let arguments: String
  /// What it does, in a phrase.
  package let summary: String
  /// What it does, in sentences; unwrapped.
  package let explanation: String
  /// What it takes.
  package let options: [CommandOption]
  /// What the values of several options are made of.
  package var keys: [KeySection] = []

  /// Name and arguments, as they are typed.
  package var usage: String { "swiftvm " + name + (arguments.isEmpty ? "" : " " + arguments) }
}

/// Every command, in the order in which the help shows them.
package enum CommandTable {
  package static let run = CommandDescription(
    name: "run", arguments: "[OPTIONS]", summary: "boot a guest",
    explanation:
      "Boots a Linux guest, and ends when the guest powers off. A value follows its option"
      + " as the next word or after an equals sign (--memory 1G, --memory=1G).",
    options: OptionTable.run, keys: KeyTable.sections)

  package static let check = CommandDescription(
    name: "check", arguments: "[OPTIONS]", summary: "tell whether this host can run guests",
    explanation: "Tells whether this host can run guests and, if it cannot, what to do. The exit"
      + " status is 0 where Linux kernels run, else 1.",
    options: OptionTable.check)

  package static let completion = CommandDescription(
    name: "completion", arguments: "bash|zsh|fish", summary: "print a shell's completion script",
    explanation: "Prints a script that teaches a shell this program's commands and options. Bash:"
      + " source <(swiftvm completion bash). \"make install\" puts the scripts where the shells look"
      + " for them.",
    options: [OptionTable.help])

  package static let manual = CommandDescription(
    name: "manual", arguments: "", summary: "print the manual page",
    explanation: "Prints the manual page in the form that man(1) reads: swiftvm manual | man -l -.",
    options: [OptionTable.help])

  package static let help = CommandDescription(
    name: "help", arguments: "[COMMAND]", summary: "explain a command and its options",
    explanation: "Explains a command and its options, or else lists the commands.", options: [])

  /// All of them.
  package static let all =
    [run, check] + ControlVerb.allCases.map(\.command) + [completion, manual, help]

  /// The command of that name.
  package static func command(named name: String) -> CommandDescription? {
    all.first { $0.name == name }
  }
}
