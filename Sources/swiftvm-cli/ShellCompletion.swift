/// Scripts that teach a shell the program's commands and options, made of the tables that the parser
/// goes by.
package enum ShellCompletion: String, CaseIterable, Sendable {
  case bash
  case zsh
  case fish

  /// The script.
  package var script: String {
    switch self {
    case .bash: Self.bashScript
    // Zsh reads bash's completions.
    case .zsh: "#compdef swiftvm\nautoload -Uz bashcompinit && bashcompinit\n" + Self.bashScript
    case .fish: Self.fishScript
    }
  }

  private static var bashScript: String {
    let cases = CommandTable.all.map { command in
      "    \(command.name)) words=\"\(words(of: command).joined(separator: " "))\" ;;\n"
    }
    let commands = CommandTable.all.map(\.name) + ["--help", "--version"]
    return """
      _swiftvm() {
        local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=""
        case $previous in
          \(pathOptions.joined(separator: "|"))) COMPREPLY=($(compgen -f -- "$current")); return ;;
        esac
        if [ "$COMP_CWORD" = 1 ]; then words="\(commands.joined(separator: " "))"; else
        case ${COMP_WORDS[1]} in
      \(cases.joined())  esac; fi
        COMPREPLY=($(compgen -W "$words" -- "$current"))
      }
      complete -o default -F _swiftvm swiftvm

      """
  }

  private static var fishScript: String {
    var lines = ["complete -c swiftvm -f"]
    for command in CommandTable.all {
      lines.append(
        "complete -c swiftvm -n __fish_use_subcommand -a \(command.name)"
          + " -d '\(quoted(command.summary))'")
      for option in command.options where option.name.hasPrefix("--") {
        let value =
          option.metavariable == nil ? "" : pathOptions.contains(option.name) ? " -rF" : " -x"
        lines.append(
          "complete -c swiftvm -n '__fish_seen_subcommand_from \(command.name)'"
            + " -l \(option.name.dropFirst(2))\(value) -d '\(quoted(firstSentence(option.help)))'")
      }
      for word in arguments(of: command) {
        lines.append(
          "complete -c swiftvm -n '__fish_seen_subcommand_from \(command.name)' -a \(word)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Options whose value is a file's path.
  private static var pathOptions: [String] {
    let options = CommandTable.all.flatMap(\.options)
    var names: [String] = []
    for option in options where option.metavariable == "PATH" && !names.contains(option.name) {
      names.append(option.name)
    }
    return names
  }

  private static func words(of command: CommandDescription) -> [String] {
    command.options.map(\.name) + arguments(of: command)
  }

  /// What a command takes beside options, where that is one of several words.
  private static func arguments(of command: CommandDescription) -> [String] {
    if command == CommandTable.help { return CommandTable.all.map(\.name) }
    guard command.arguments.contains("|"), !command.arguments.contains("[") else { return [] }
    return command.arguments.split(separator: "|").map(String.init)
  }

  private static func firstSentence(_ text: String) -> String {
    text.firstRange(of: ". ").map { String(text[..<$0.lowerBound]) } ?? text
  }

  private static func quoted(_ text: String) -> String {
    text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "\\'")
  }
}
