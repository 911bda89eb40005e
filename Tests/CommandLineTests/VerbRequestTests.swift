import SwiftVM
import Testing

@testable import swiftvm_cli

/// The verbs' words.
@Suite struct VerbRequestTests {
  private func request(_ words: String...) throws -> VerbRequest? {
    guard case .control(let request) = try CommandParser.parse(bytes(words)) else { return nil }
    return request
  }

  private func problem(_ words: [String]) -> String? {
    do throws(UsageError) {
      _ = try CommandParser.parse(bytes(words))
      return nil
    } catch {
      return error.description
    }
  }

  @Test func readsVerbs() throws {
    #expect(try request("list")?.verb.name == "list")
    let ports = try #require(try request("ports", "--vm", "a"))
    #expect(ports.machine == "a")
    #expect(ports.control == nil)
    let sent = try #require(try request("send", "--control=/c", "p", "a=b"))
    #expect(sent.operands == ["p", "a=b"])
    #expect(sent.control == "/c")
    #expect(try request("send", "p", "-")?.operands == ["p", "-"])
    #expect(try request("send", "p", "--", "--x")?.operands == ["p", "--x"])
    #expect(try request("wait-open", "p", "--timeout", "1.5")?.timeout == 1.5)
    #expect(try request("recv", "p", "--lines", "2")?.lines == 2)
    let plugged = try #require(try request("plug", "--console", "name=a,socket=s"))
    #expect(plugged.operands == ["name=a,socket=s"])
    #expect(plugged.isConsole)
  }

  @Test(arguments: Verb.all)
  func explainsVerbs(verb: CommandDescription) throws {
    #expect(try CommandParser.parse(bytes([verb.name, "--help"])) == .help(verb))
    #expect(try CommandParser.parse(bytes(["help", verb.name])) == .help(verb))
  }

  @Test(arguments: [
    (["connect"], "connect: PORT is missing; give swiftvm connect PORT [OPTIONS]"),
    (["send", "p"], "send: TEXT is missing; give swiftvm send PORT TEXT [OPTIONS]"),
    (["ports", "p"], "p: unexpected argument; see swiftvm ports --help"),
    (["ports", "--vn", "a"], "--vn: unknown option; did you mean --vm?"),
    (
      ["ports", "--vm", "a", "--control", "/c"],
      "--control /c: the machine is named twice; give --vm or --control"
    ),
    (
      ["wait-open", "p", "--timeout", "soon"],
      "--timeout soon: this is not a number of seconds; give e.g. --timeout 10"
    ),
    (
      ["recv", "p", "--lines", "0"], "--lines 0: this is not a number of lines; give e.g. --lines 1"
    ),
    (["stop", "--timeout", "1"], "--timeout: unknown option; see swiftvm stop --help"),
    (["port"], "port: unknown command; did you mean swiftvm ports?"),
  ])
  func refusesWhatMeansNothing(words: [String], text: String) {
    #expect(problem(words) == text)
  }
}
