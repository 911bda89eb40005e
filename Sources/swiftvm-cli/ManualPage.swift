import SwiftVM

/// The manual page `swiftvm(1)`, made of the tables that the parser goes by; in man(7)'s language.
package enum ManualPage {
  /// The whole page.
  package static var text: String {
    let commands = CommandTable.all.flatMap(section)
    let lines =
      [
        ".TH SWIFTVM 1 \"\" \"swiftvm \(SwiftVMVersion.text)\" \"User Commands\"",
        ".SH NAME", "swiftvm \\- boot Linux guests with named virtio\\-serial channels",
        ".SH SYNOPSIS",
      ] + CommandTable.all.flatMap { [".B " + escaped($0.usage), ".br"] }
      + [".SH DESCRIPTION", escaped(HelpText.purpose)]
      + [".SH COMMANDS"] + commands
      + [".SH EXIT STATUS"] + ExitStatus.meanings.flatMap { entry($0.code, $0.meaning) }
      + [".SH EXAMPLE", ".nf", escaped(HelpText.example), ".fi"]
    return lines.joined(separator: "\n") + "\n"
  }

  private static func section(of command: CommandDescription) -> [String] {
    [".SS " + escaped(command.usage), escaped(command.explanation)]
      + command.options.flatMap { entry($0.usage, $0.help) }
  }

  private static func entry(_ term: String, _ text: String) -> [String] {
    [".TP", ".B " + escaped(term), escaped(text)]
  }

  /// The text as it is to be read: backslashes and dashes as such, and no line that begins like a
  /// request.
  private static func escaped(_ text: String) -> String {
    var result = text.first == "." || text.first == "'" ? "\\&" : ""
    for character in text {
      switch character {
      case "\\": result += "\\e"
      case "-": result += "\\-"
      default: result.append(character)
      }
    }
    return result
  }
}
