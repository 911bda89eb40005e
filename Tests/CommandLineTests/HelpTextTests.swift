import Testing

@testable import swiftvm_cli

@Suite
struct HelpTextTests {
  @Test func explainsEveryOption() {
    for command in CommandTable.all {
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
    #expect(OptionTable.run.contains { $0.name == name })
  }

  @Test("Every key of a host end is explained where its option is")
  func explainsEveryKey() {
    let lines = HelpText.text(for: CommandTable.run).split(separator: "\n")
    for section in KeyTable.sections {
      #expect(lines.contains("\(section.title):"))
      for key in section.keys { #expect(lines.contains("  \(key.usage)")) }
    }
    let known = Set(
      (KeyTable.hostEnds.keys + KeyTable.hostEndOptions.keys).flatMap { key in
        key.usage.split(separator: ",").map { word in
          String(word.drop { $0 == " " }.prefix { $0 != "=" })
        }
      })
    var grammar = KeyValueList.Grammar(example: "")
    ShortHostEnd.extend(&grammar)
    #expect(known == Set(grammar.optional + grammar.words + grammar.flags))
  }

  @Test(arguments: CommandTable.all + [nil])
  func listsEveryExitStatus(command: CommandDescription?) {
    let lines = HelpText.text(for: command).split(separator: "\n")
    for status in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "2N+1 ", "128+N "] {
      #expect(lines.contains { $0.hasPrefix("  " + status) })
    }
  }

  @Test(arguments: CommandTable.all + [nil])
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
    for command in CommandTable.all {
      #expect(overview.contains("\n  swiftvm \(command.name) "))
    }
  }
}
