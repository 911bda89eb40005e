import Control
import SwiftVM

/// The manual page `swiftvm(1)`, made of the tables that the parser goes by and of the chapters of
/// `ManualText`; in man(7)'s language.
enum ManualPage {
  /// When this version was made, as the changelog has it.
  static let date = "2026-12-01"

  static func text(_ table: CommandTable = .standard) -> String {
    var lines = [
      ".TH SWIFTVM 1 \(date) \"swiftvm \(SwiftVMVersion.text)\" \"User Commands\"",
      ".SH NAME", "swiftvm \\- boot Linux guests with named virtio\\-serial channels",
      ".SH SYNOPSIS",
    ]
    lines += table.commands.map { [".B " + escaped($0.usage)] }.joined(separator: [".br"])
    lines += [".SH DESCRIPTION"] + paragraph(HelpText.purpose) + [".PP"] + paragraph(control)
    lines += [".SH COMMANDS"] + table.commands.flatMap { section(of: $0) }
    lines += KeySection.all(table.keys).flatMap { section($0) }
    for chapters in [ManualText.presets, ManualText.channels, ManualText.words] {
      lines += rendered(chapters)
    }
    lines += rendered(ManualText.control)
    lines += [".SH QMP COMMANDS"]
    lines += QMPCommandTable.documentation(table.keys).flatMap { entry($0.usage, $0.meaning) }
    lines += [".SH QMP EVENTS"] + ManualText.events.flatMap { entry($0.usage, $0.meaning) }
    lines += rendered(ManualText.reports)
    lines += [".SH EXIT STATUS"] + ExitStatus.meanings.flatMap { entry($0.code, $0.meaning) }
    lines += [ManualText.surroundings, ManualText.security, ManualText.limits, ManualText.examples]
      .flatMap(rendered)
    lines += [".SH SEE ALSO", ".BR qemu\\-system\\-x86_64 (1),", ".BR man (1)"]
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Content

  private static let control =
    "A machine with --qmp or --name has a control socket, at which it speaks QMP, QEMU's protocol"
    + " for programs: query-status, stop, cont, chardev-add, device_add and what else query-commands"
    + " names, and events. The commands below that have --vm speak it, too."

  // MARK: Form

  private static func section(of command: CommandDescription) -> [String] {
    [".SS " + escaped(command.usage)] + paragraph(command.explanation)
      + command.options.flatMap { entry($0.usage, $0.help) }
  }

  private static func section(_ section: KeySection) -> [String] {
    [".SH " + section.title.uppercased()] + paragraph(section.introduction)
      + section.entries.flatMap { entry($0.usage, $0.help) }
  }

  private static func code(_ lines: [Substring]) -> [String] {
    [".PP", ".RS 4", ".EX"]
      + lines.map { line in
        escaped(line).split(separator: "'", omittingEmptySubsequences: false)
          .joined(separator: "\\(aq")
      } + [".EE", ".RE"]
  }

  /// A text of `ManualText` in man(7)'s language.
  private static func rendered(_ text: String) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .split { $0.allSatisfy { $0 == " " } }
      .flatMap { block in block.first?.first == " " ? rendered(block) : chapter(block) }
  }

  /// A heading, and the paragraph below it.
  private static func chapter(_ block: ArraySlice<Substring>) -> [String] {
    [".SH " + escaped(block.first ?? "")] + paragraph(block.dropFirst().joined(separator: " "))
  }

  private static func rendered(_ block: ArraySlice<Substring>) -> [String] {
    func indentation(_ line: Substring?) -> Int { line?.prefix { $0 == " " }.count ?? 0 }
    if indentation(block.first) >= 6 { return code(block.map { $0.dropFirst(6) }) }
    if indentation(block.last) >= 6, let term = block.first {
      return entry(String(term.dropFirst(2)), block.dropFirst().joined(separator: " "))
    }
    return [".PP"] + paragraph(block.joined(separator: " "))
  }

  /// A text as input lines: each sentence begins one, and they have at most 80 bytes where words allow.
  private static func paragraph(_ text: String) -> [String] {
    var lines = [""]
    for word in text.split(separator: " ") {
      let word = escaped(word)
      let last = lines[lines.count - 1]
      if last.isEmpty {
        lines[lines.count - 1] = word
      } else if last.hasSuffix(".") || last.utf8.count + 1 + word.utf8.count > 80 {
        lines.append(word)
      } else {
        lines[lines.count - 1] += " " + word
      }
    }
    return lines.filter { !$0.isEmpty }
  }

  private static func entry(_ term: String, _ text: String) -> [String] {
    [".TP", ".B " + escaped(term)] + paragraph(text)
  }

  /// The text as it is to be read: backslashes and dashes as such, and no line that begins like a
  /// request.
  private static func escaped(_ text: some StringProtocol) -> String {
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
