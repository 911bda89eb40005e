import Testing
import swiftvm_cli

@Suite
struct HelpTextTests {
  @Test func explainsEveryOption() {
    for (topic, table) in [
      (HelpText.Topic.run, OptionTable.run), (.check, OptionTable.check),
    ] {
      let lines = HelpText.text(for: topic).split(separator: "\n")
      for option in table {
        #expect(lines.contains("  \(option.usage)"))
        let explanation = option.help.split(separator: " ").first ?? ""
        #expect(!explanation.isEmpty)
        #expect(lines.contains { $0.hasPrefix("        \(explanation)") })
      }
    }
  }

  @Test(arguments: [
    "--kernel", "--initrd", "--append", "--memory", "--cpus", "--virtio-serial",
    "--virtserialport", "--virtconsole", "--serial", "--emergency", "--no-reboot", "--stats",
    "--trace", "--timings", "--help", "--version",
  ])
  func knowsTheOptionsOfRun(name: String) {
    #expect(OptionTable.run.contains { $0.name == name })
  }

  @Test(arguments: HelpText.Topic.allCases)
  func listsEveryExitStatus(topic: HelpText.Topic) {
    let lines = HelpText.text(for: topic).split(separator: "\n")
    for status in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "128+N "] {
      #expect(lines.contains { $0.hasPrefix("  " + status) })
    }
  }

  @Test(arguments: HelpText.Topic.allCases)
  func fitsATerminal(topic: HelpText.Topic) {
    let text = HelpText.text(for: topic)
    #expect(text.hasSuffix("\n"))
    for line in text.split(separator: "\n") {
      #expect(line.count <= HelpText.width, "\(line)")
      #expect(!line.hasSuffix(" "))
    }
  }

  @Test func namesEveryCommand() {
    let overview = HelpText.text(for: .overview)
    for command in ["run", "check", "help"] {
      #expect(overview.contains("\n  swiftvm \(command) "))
    }
  }
}
