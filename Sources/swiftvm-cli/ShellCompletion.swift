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
    // Zsh reads bash's completions. What it loads when it first completes is this file, which has to
    // complete that time, too.
    case .zsh:
      "#compdef swiftvm\nautoload -Uz bashcompinit && bashcompinit\n" + Self.bashScript
        + #"[ "${funcstack[1]}" != _swiftvm ] || _bash_complete -o default -F _swiftvm"# + "\n"
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
          \(pathOptions.joined(separator: "|"))) COMPREPLY=(); return ;;  # files, by -o default
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
    for option in [OptionTable.help, OptionTable.version] {
      lines.append(fishLine("__fish_use_subcommand", option))
    }
    for command in CommandTable.all {
      let isUsed = "'__fish_seen_subcommand_from \(command.name)'"
      lines.append(
        "complete -c swiftvm -n __fish_use_subcommand -a \(command.name)"
          + " -d '\(quoted(command.summary))'")
      lines += command.options.map { fishLine(isUsed, $0) }
      lines += arguments(of: command).map { "complete -c swiftvm -n \(isUsed) -a \($0)" }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func fishLine(_ condition: String, _ option: CommandOption) -> String {
    let names = ([option.name] + option.otherNames).map { name in
      let plain = CommandOption.plainName(name) ?? name
      // Fish has three kinds: of two dashes, of one dash and one letter, of one dash and a word.
      return name.hasPrefix("--") ? "-l \(plain)" : plain.count == 1 ? "-s \(plain)" : "-o \(plain)"
    }
    let value =
      option.metavariable == nil ? "" : pathOptions.contains(option.name) ? " -rF" : " -x"
    return "complete -c swiftvm -n \(condition) \(names.joined(separator: " "))\(value)"
      + " -d '\(quoted(firstSentence(option.help)))'"
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

  /// Up to a full stop that a capital letter follows: dots are in names and numbers, too.
  private static func firstSentence(_ text: String) -> String {
    for stop in text.ranges(of: ". ") {
      guard text[stop.upperBound...].first?.isUppercase == true else { continue }
      return String(text[..<stop.lowerBound])
    }
    return text.last == "." ? String(text.dropLast()) : text
  }

  private static func quoted(_ text: String) -> String {
    text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "\\'")
  }
}
