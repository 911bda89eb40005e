import Testing
import swiftvm_cli

@Suite
struct ManualPageTests {
  @Test func explainsEveryCommandAndOption() {
    let lines = Set(ManualPage.text().split(separator: "\n"))
    func escaped(_ text: String) -> String {
      text.split(separator: "-", omittingEmptySubsequences: false).joined(separator: "\\-")
    }
    for command in CommandTable.standard.commands {
      #expect(lines.contains(".SS \(escaped(command.usage))"[...]))
      for option in command.options { #expect(lines.contains(".B \(escaped(option.usage))"[...])) }
    }
  }

  @Test func explainsKeysAndSurroundings() {
    let text = ManualPage.text()
    for key in KeySection.all(.standard).flatMap(\.entries) {
      let usage = key.usage.split(separator: "-", omittingEmptySubsequences: false)
      #expect(text.contains("\n.B \(usage.joined(separator: "\\-"))\n"))
    }
    for section in ["ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO", "BACKENDS"] {
      #expect(text.contains("\n.SH \(section)\n"))
    }
    for word in ["SWIFTVM_GUEST_IMAGE", "XDG_RUNTIME_DIR", "QMP", "/NAME.sock"] {
      #expect(text.contains(word))
    }
  }

  /// A line that begins with a dot or a quote is a request; only the ones meant may be there.
  @Test func everyLineIsTextOrAKnownRequest() {
    let requests = [".TH", ".SH", ".SS", ".B", ".br", ".TP", ".PP", ".BR", ".nf", ".fi"]
    for line in ManualPage.text().split(separator: "\n")
    where line.hasPrefix(".") || line.hasPrefix("'") {
      #expect(requests.contains(String(line.prefix { $0 != " " })), "\(line)")
    }
  }
}
