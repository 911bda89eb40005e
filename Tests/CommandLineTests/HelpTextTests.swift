import Testing

@testable import swiftvm_cli

@Suite
struct HelpTextTests {
  @Test func explainsEveryOption() {
    for command in CommandTable.standard.commands {
      let lines = HelpText.text(for: command).split(separator: "\n")
      for option in command.options {
        #expect(lines.contains("  \(option.usage)"))
        let explanation = option.help.split(separator: " ").first ?? ""
        #expect(!explanation.isEmpty)
        #expect(lines.contains { $0.hasPrefix("        \(explanation)") })
      }
    }
  }

  @Test(arguments: [
    "--kernel", "--initrd", "--append", "--memory", "--huge-pages", "--cpus", "--virtio-serial",
    "--virtserialport", "--virtconsole", "--serial", "--emergency", "--no-reboot", "--stats",
    "--trace", "--timings", "--preset", "--qmp", "--name", "--pidfile", "--daemonize", "-chardev",
    "-device", "-mon", "-action", "-nodefaults", "-machine", "-enable-kvm", "--help", "--version",
  ])
  func knowsTheOptionsOfRun(name: String) {
    #expect(CommandTable.run.options.contains { $0.name == name })
  }

  @Test("Every key of a backend is explained where its option is")
  func explainsEveryKey() {
    let lines = HelpText.text(for: CommandTable.run).split(separator: "\n")
    for section in KeySection.all(.standard) {
      #expect(lines.contains("\(section.title):"))
      for key in section.entries { #expect(lines.contains("  \(key.usage)")) }
    }
  }

  @Test(arguments: CommandTable.standard.commands + [nil])
  func listsEveryExitStatus(command: CommandDescription?) {
    let lines = HelpText.text(for: command).split(separator: "\n")
    for status in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "2N+1 ", "128+N "] {
      #expect(lines.contains { $0.hasPrefix("  " + status) })
    }
  }

  @Test(arguments: CommandTable.standard.commands + [nil])
  func fitsATerminal(command: CommandDescription?) {
    let text = HelpText.text(for: command)
    #expect(text.hasSuffix("\n"))
    for line in text.split(separator: "\n") {
      #expect(line.count <= HelpText.width, "\(line)")
      #expect(!line.hasSuffix(" "))
    }
  }

  @Test func namesEveryCommand() {
    let overview = HelpText.text(for: nil)
    for command in CommandTable.standard.commands {
      #expect(overview.contains("\n  swiftvm \(command.name) "))
    }
  }
}
