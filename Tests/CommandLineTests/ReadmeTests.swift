import Glibc
import TestSupport
import Testing

@testable import SwiftVM
@testable import swiftvm_cli

/// What the README and the articles promise of the command line.
@Suite
struct ReadmeTests {
  @Test func isAPage() throws {
    #expect(try Document("README.md").lines.count <= 160)
  }

  @Test("The command line takes the shell examples of the README and the manual page")
  func examplesAreTaken() throws {
    let manual = ManualPage.text().split(separator: "\n").map { line in
      String(line).split(separator: "\\-", omittingEmptySubsequences: false).joined(separator: "-")
    }
    let code = zip(manual, manual.dropFirst()).filter { $0.0 == ".EX" }.map(\.1)
    let readme = try Document("README.md").lines.filter { $0.hasPrefix("    ") }
    let examples = (readme + code).map { $0.drop { $0 == " " } }.filter { $0.hasPrefix("swiftvm ") }
    #expect(examples.count >= 9)
    for example in examples {
      let words = example.split(separator: " ").dropFirst()
      let ends = words.firstIndex { ["&&", "|"].contains($0) } ?? words.endIndex
      #expect(throws: Never.self, "\(example)") {
        try CommandParser.parse(words[..<ends].map { Array($0.utf8) })
      }
    }
  }

  @Test("Each row of the README's measurements is one of the article's")
  func measurementsAreTheArticles() throws {
    let article = try Document("Sources/SwiftVM/SwiftVM.docc/Measurements.md").rows
    let rows = try Document("README.md").rows.filter { $0.count == 5 }.dropFirst(2)
    #expect(rows.count == 6)
    for row in rows {
      let full = try #require(article.first { $0.first == row.first }, "\(row)")
      let medians = [full[2], full[3], full[4]].map { $0.prefix { $0 != " " } }
      #expect(medians + [full[5][...]] == row.dropFirst().map { $0[...] })
    }
  }

  @Test(
    "What the documents link to is there",
    arguments: [
      "README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md", ".github/CHANGELOG.md",
    ])
  func linksLeadSomewhere(path: String) throws {
    let document = try Document(path)
    for link in document.links where !link.hasPrefix("http") {
      let directory = path.split(separator: "/").dropLast().map { $0 + "/" }.joined()
      let file = Document.root + directory + link.prefix { $0 != "#" }
      #expect(access(file, F_OK) == 0, "\(link)")
    }
  }

  @Test("Each pair of command lines in \"Coming from QEMU\" makes the same machine")
  func pairsAreTheSame() throws {
    let pairs = try Self.pairs
    #expect(pairs.count >= 10)
    for pair in pairs { try #expect(nameless(pair.qemu) == nameless(pair.own), "\(pair)") }
  }

  /// The rows of the article that have a command line in each cell.
  static var pairs: [(qemu: [String], own: [String])] {
    get throws {
      try Document("Sources/SwiftVM/SwiftVM.docc/ComingFromQEMU.md").lines.compactMap { line in
        guard line.hasPrefix("| `-"), !line.hasPrefix("| `--") else { return nil }
        let cells = line.split(separator: "`").map { $0.split(separator: " ").map(String.init) }
        guard cells.count == 5, cells[3].first?.hasPrefix("--") == true else { return nil }
        return (cells[1], cells[3])
      }
    }
  }

  /// What the words ask for, the ids of chardevs apart, which the short form does without.
  private func nameless(_ words: [String]) throws -> VirtualMachineConfiguration {
    guard case .run(let request) = try CommandParser.parse((["run"] + words).map { Array($0.utf8) })
    else { throw Problem.noRun }
    var configuration = request.machine
    configuration.bootLoader.commandLine = request.commandLine
    configuration.consoleDevices = try request.consoleDevices
    configuration.serialPort.attachment = request.serialAttachment
    configuration.controlSockets = configuration.controlSockets.map {
      var socket = $0
      socket.socket.id = nil
      return socket
    }
    for device in configuration.consoleDevices.indices {
      for port in configuration.consoleDevices[device].ports.indices {
        configuration.consoleDevices[device].ports[port].attachment.id = nil
      }
    }
    return configuration
  }

  private enum Problem: Error { case noRun }
}
