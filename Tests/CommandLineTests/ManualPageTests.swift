import Glibc
import SwiftVM
import TestSupport
import Testing

@testable import Control
@testable import swiftvm_cli

/// The manual page has every word that the program takes.
@Suite
struct ManualPageTests {
  /// Its input lines, with dashes as they are read.
  private let lines = ManualPage.text().split(separator: "\n").map { line in
    line.split(separator: "\\-", omittingEmptySubsequences: false).joined(separator: "-")
  }

  /// The terms of a section, of those that are several each.
  private func terms(of section: String) -> [String] {
    lines.drop { $0 != ".SH " + section }.dropFirst().prefix { !$0.hasPrefix(".SH") }
      .filter { $0.hasPrefix(".B ") }
      .flatMap { $0.dropFirst(3).split(separator: ",").map { String($0.drop { $0 == " " }) } }
  }

  @Test func explainsEveryCommandAndOption() {
    for command in CommandTable.standard.commands {
      #expect(lines.contains(".SS " + command.usage))
      for option in command.options { #expect(lines.contains(".B " + option.usage)) }
    }
  }

  @Test func explainsKeysAndSurroundings() {
    for key in KeySection.all(.standard).flatMap(\.entries) {
      #expect(lines.contains(".B " + key.usage))
    }
    for section in ["ENVIRONMENT", "FILES", "SECURITY", "LIMITS", "EXAMPLES", "SEE ALSO"] {
      #expect(lines.contains(".SH " + section))
    }
    for word in ["SWIFTVM_GUEST_IMAGE", "XDG_RUNTIME_DIR", "QMP", "/NAME.sock"] {
      #expect(lines.contains { $0.contains(word) })
    }
  }

  @Test("Every key of ports and devices has its explanation")
  func explainsKeysOfPorts() throws {
    func keys(_ section: String) -> [Substring] {
      terms(of: section).map { $0.prefix { $0 != "=" } }
    }
    let ports = PortKeys.common + PortKeys.channelPolicy + PortKeys.consolePolicy + ["name"]
    for key in ports { #expect(keys("KEYS OF PORTS").contains(key[...]), "\(key)") }
    let devices = DeviceKey.all.map(\.name) + DeviceKey.interface + ["transport"]
    for key in devices { #expect(keys("KEYS OF DEVICES").contains(key[...]), "\(key)") }
  }

  @Test(
    "Every preset, and what it stands for",
    arguments: ["agent", "spice", "guestfs", "anaconda-log"])
  func explainsPresets(name: String) throws {
    #expect(terms(of: "PRESETS").contains(name))
    guard
      case .run(let request) = try CommandParser.parse(
        ["run", "--preset", name].map { Array($0.utf8) })
    else { return #expect(Bool(false)) }
    let channel = try #require(request.consoleDevices.first?.ports.first?.name)
    let text = lines.drop { $0 != ".B " + name }
    #expect(text.dropFirst().first?.hasPrefix(channel) == true)
  }

  @Test("Every command of QMP, with the arguments it cannot do without")
  func explainsCommandsOfQMP() throws {
    let golden = try Document("Tests/Golden/qmp.txt").lines
    let listed = golden.drop { $0 != "query-commands {}" }.dropFirst().first ?? ""
    let names = listed.split(separator: "\"").filter {
      $0 != "name" && !$0.contains { ":,[]{} ".contains($0) }
    }
    let explained = QMPCommandTable.documentation(.standard).map { $0.usage.split(separator: " ") }
    #expect(Set(explained.compactMap(\.first)) == Set(names.map { $0[...] }))
    for words in explained {
      let name = words.first ?? ""
      let needed = zip(golden, golden.dropFirst()).filter { $0.0.hasPrefix(name + " {") }.compactMap
      {
        $0.1.hasPrefix("  Parameter '") && $0.1.hasSuffix("' is missing")
          ? $0.1.split(separator: "'")[1] : nil
      }
      #expect(Array(words.dropFirst().prefix(needed.count)) == needed)
    }
  }

  @Test("Every event of QMP, with the members of its data")
  func explainsEventsOfQMP() {
    let events = [
      VirtualMachineEvent.paused, .resumed, .reset(byGuest: true), .powerButtonPressed,
      .shutdown(.poweredOff), .guestPanicked(startsCrashKernel: true),
      .portChanged(id: "a", isOpen: true), .deviceRemoved(id: "a"),
    ].compactMap { QMPEvent($0, onPanic: .proceed, byClient: false) }
    let terms = terms(of: "QMP EVENTS")
    #expect(terms.count == events.count)
    for (event, term) in zip(events, terms) {
      guard case .object(let members) = event.json(at: timespec()) else { continue }
      #expect(term == words(of: members))
    }
  }

  private func words(of event: [JSONValue.Member]) -> String {
    var words: [String] = []
    for member in event {
      switch (member.name, member.value) {
      case ("event", .string(let text)): words.insert(text, at: 0)
      case ("data", .object(let data)): words += data.map(\.name)
      default: break
      }
    }
    return words.joined(separator: " ")
  }

  @Test func isOfThisVersion() throws {
    let heading = "## \(SwiftVMVersion.text) (\(ManualPage.date))"
    #expect(try Document(".github/CHANGELOG.md").lines.contains(heading))
  }

  /// A line that begins with a dot or a quote is a request; only the ones meant may be there.
  @Test func everyLineIsTextOrAKnownRequest() {
    let requests = [
      ".TH", ".SH", ".SS", ".B", ".br", ".TP", ".PP", ".BR", ".RS", ".RE", ".EX", ".EE",
    ]
    for line in lines where line.hasPrefix(".") || line.hasPrefix("'") {
      #expect(requests.contains(String(line.prefix { $0 != " " })), "\(line)")
    }
  }
}
