import Control

/// Scripts that teach a shell the program's commands, options and keys, made of the table that the
/// parser goes by.
enum ShellCompletion: String, CaseIterable, Sendable {
  case bash
  case zsh
  case fish

  func script(_ table: CommandTable = .standard) -> String {
    switch self {
    case .bash: Self.bashScript(table)
    // Zsh reads bash's completions. What it loads when it first completes is this file, which has to
    // complete that time, too.
    case .zsh:
      "#compdef swiftvm\nautoload -Uz bashcompinit && bashcompinit\n" + Self.bashScript(table)
        + #"[ "${funcstack[1]}" != _swiftvm ] || _bash_complete -o default -F _swiftvm"# + "\n"
    case .fish: Self.fishScript(table)
    }
  }

  private static func bashScript(_ table: CommandTable) -> String {
    let cases = table.commands.map { command in
      let words = command.options.map(\.name) + arguments(of: command, table)
      return "    \(command.name)) words=\"\(words.joined(separator: " "))\" ;;\n"
    }
    let keys = [BackendKey.Place.shortForm, .chardev].map { place in
      let names = options(table) { $0.keys == place }.joined(separator: "|")
      return "      \(names)) keys=\"\(items(table.keys, in: place).joined(separator: " "))\" ;;\n"
    }
    let commands = table.commands.map(\.name) + ["--help", "--version"]
    return """
      _swiftvm() {
        local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words="" keys="" at
        case $previous in
          \(pathOptions(table).joined(separator: "|"))) COMPREPLY=(); return ;;  # files, by -o default
        esac
        # Bash splits a value at its equals signs: the option is the nearest word with a dash.
        at=$((COMP_CWORD - 1))
        while [ "$at" -gt 1 ] && [ "${COMP_WORDS[at]#-}" = "${COMP_WORDS[at]}" ]; do at=$((at - 1)); done
        if [ "$current" = "${current#-}" ] && { [ "$at" = $((COMP_CWORD - 1)) ] || [[ $current == *,* ]]; }; then
          case ${COMP_WORDS[at]} in
      \(keys.joined())    esac
        fi
        if [ -n "$keys" ]; then
          local given=""
          case $current in *,*) given=${current%,*}, ;; esac
          COMPREPLY=($(compgen -P "$given" -W "$keys" -- "${current##*,}"))
          compopt -o nospace 2>/dev/null
          return
        fi
        if [ "$COMP_CWORD" = 1 ]; then words="\(commands.joined(separator: " "))"; else
        case ${COMP_WORDS[1]} in
      \(cases.joined())  esac; fi
        COMPREPLY=($(compgen -W "$words" -- "$current"))
      }
      complete -o default -F _swiftvm swiftvm

      """
  }

  private static func fishScript(_ table: CommandTable) -> String {
    var lines = [
      "complete -c swiftvm -f", "# The keys of a value, after those that are there.",
      "function __swiftvm_keys; for key in $argv;"
        + " echo (string replace -r '[^,]*$' '' -- (commandline -ct))$key; end; end",
    ]
    for option in [CommandOption.help, .version] {
      lines.append(fishLine("__fish_use_subcommand", option, table))
    }
    for command in table.commands {
      let isUsed = "'__fish_seen_subcommand_from \(command.name)'"
      lines.append(
        "complete -c swiftvm -n __fish_use_subcommand -a \(command.name)"
          + " -d '\(quoted(command.summary))'")
      lines += command.options.map { fishLine(isUsed, $0, table) }
      lines += arguments(of: command, table).map {
        "complete -c swiftvm -n \(isUsed) -a \($0)"
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func fishLine(
    _ condition: String, _ option: CommandOption, _ table: CommandTable
  ) -> String {
    let names = ([option.name] + option.otherNames).map { name in
      let plain = CommandOption.plainName(name) ?? name
      // Fish has three kinds: of two dashes, of one dash and one letter, of one dash and a word.
      return name.hasPrefix("--") ? "-l \(plain)" : plain.count == 1 ? "-s \(plain)" : "-o \(plain)"
    }
    var value = option.metavariable == nil ? "" : option.metavariable == "PATH" ? " -rF" : " -x"
    if let place = option.keys {
      let keys = items(table.keys, in: place).joined(separator: " ")
      value += " -a '(__swiftvm_keys \(keys))'"
    }
    return "complete -c swiftvm -n \(condition) \(names.joined(separator: " "))\(value)"
      + " -d '\(quoted(firstSentence(option.help)))'"
  }

  private static func pathOptions(_ table: CommandTable) -> [String] {
    options(table) { $0.metavariable == "PATH" }
  }

  private static func options(
    _ table: CommandTable, where isMeant: (CommandOption) -> Bool
  ) -> [String] {
    table.commands.flatMap(\.options).filter(isMeant).map(\.name).distinct
  }

  /// The words and keys of backends as they are typed, in a place.
  private static func items(_ keys: BackendKeys, in place: BackendKey.Place) -> [String] {
    let words = keys.words.flatMap { word in
      [word.standsAlone ? word.name : nil, word.metavariable.map { _ in word.name + "=" }]
        .compactMap(\.self)
    }
    let own = keys.types.flatMap(\.keys).filter { $0.honoured == nil }
      .map { $0.kind == .flag ? $0.name : $0.name + "=" }
    return (place == .shortForm ? words : own.distinct)
      + keys.keys.compactMap { key in
        key.name(in: place).map { key.kind == .flag && key.usage.isEmpty ? $0 : $0 + "=" }
      }
  }

  /// What a command takes beside options, where that is one of several words.
  private static func arguments(
    of command: CommandDescription, _ table: CommandTable
  ) -> [String] {
    if command == CommandTable.help { return table.commands.map(\.name) }
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
