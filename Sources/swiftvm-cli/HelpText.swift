/// The program's help, made of the tables that the parser goes by.
package enum HelpText {
  /// The lines' longest length.
  package static let width = 80

  /// What the program is, in sentences; unwrapped.
  static let purpose =
    "swiftvm boots Linux guests under KVM with named virtio-serial channels:"
    + " /dev/virtio-ports/NAME in the guest, a Unix socket on the host."

  /// How the main job is done.
  static let example =
    "swiftvm run --virtserialport name=org.fedoraproject.port.0,socket=/tmp/port0"

  /// The help about a command; nil for an overview.
  package static func text(for command: CommandDescription?) -> String {
    let sections =
      command.map { command in
        [
          "Usage: \(command.usage)\n\n" + wrapped(command.explanation),
          command.options.isEmpty ? nil : options(command.options),
        ].compactMap(\.self) + command.keys.map(section)
      } ?? [wrapped(purpose), usage, "Example:\n  \(example)\n"]
    return (sections + [exitStatuses]).joined(separator: "\n")
  }

  private static var usage: String {
    let entries =
      CommandTable.all.map { ("swiftvm \($0.name) \($0.arguments)", $0.summary) } + [
        ("swiftvm --version", "show the version"), ("swiftvm --help", "show this help"),
      ]
    let column = (entries.map(\.0.count).max() ?? 0) + 3
    let lines = entries.map { synopsis, summary in
      "  " + synopsis + String(repeating: " ", count: column - synopsis.count) + summary + "\n"
    }
    return "Usage:\n" + lines.joined()
  }

  private static func options(_ table: [CommandOption]) -> String {
    let entries = table.map { option in
      "  \(option.usage)\n" + wrapped(option.help, indentation: 8)
    }
    return "Options:\n" + entries.joined()
  }

  private static func section(_ section: KeySection) -> String {
    let entries = section.keys.map { "  \($0.usage)\n" + wrapped($0.help, indentation: 8) }
    return section.title + ":\n" + wrapped(section.introduction, indentation: 2) + entries.joined()
  }

  private static var exitStatuses: String {
    let column = 9
    let lines = ExitStatus.meanings.map { code, meaning in
      let term = "  " + code
      return term + wrapped(meaning, indentation: column).dropFirst(min(term.count, column - 1))
    }
    return "Exit status:\n" + lines.joined()
  }

  /// The text as lines of at most `width` columns, where its words allow.
  private static func wrapped(_ text: String, indentation: Int = 0) -> String {
    let margin = String(repeating: " ", count: indentation)
    var result = ""
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty, indentation + line.count + 1 + word.count > width {
        result += margin + line + "\n"
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    return result + margin + line + "\n"
  }
}
