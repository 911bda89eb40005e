import TestSupport
import Testing

@testable import swiftvm_cli

/// Help, manual page and completion are what they were when they were last changed on purpose.
@Suite
struct GoldenTextTests {
  private func output(_ words: String...) throws -> String {
    let result = try RunningProgram(swiftvm: words, in: TemporaryDirectory()).result()
    #expect(result.status == 0)
    return result.output
  }

  @Test(arguments: CommandTable.standard.commands.map(\.name))
  func helpOfACommand(_ command: String) throws {
    let text = try output("help", command)
    #expect(try Golden.difference(text, from: "help-\(command).txt") == [])
  }

  @Test func help() throws {
    #expect(try Golden.difference(output("--help"), from: "help.txt") == [])
  }

  @Test func manual() throws {
    #expect(try Golden.difference(output("manual"), from: "swiftvm.1") == [])
  }

  @Test(arguments: ["bash", "zsh", "fish"])
  func completion(_ shell: String) throws {
    let text = try output("completion", shell)
    #expect(try Golden.difference(text, from: "completion.\(shell)") == [])
  }
}
