import SwiftVM
import Testing

@testable import swiftvm_cli

@Suite
struct ConfigurationErrorTests {
  private typealias Text = ConfigurationError.Text

  @Test(arguments: [
    (
      ConfigurationError(.invalid, at: .root.memorySize, given: "1", "wrong", "give 2"),
      ".memorySize 1: wrong; give 2"
    ),
    (ConfigurationError(.missing, at: .root.name, "wrong", "give 2"), ".name: wrong; give 2"),
    (ConfigurationError(.invalid, at: .root, given: "w", "wrong"), "w: wrong"),
    (ConfigurationError(.host, at: .root, "wrong", "do"), "wrong; do"),
    (
      ConfigurationError(.invalid, at: .root.name, given: "x\ny", "p\u{1b}", "r\n"),
      ".name x\\ny: p\\x1b; r\\n"
    ),
    (
      ConfigurationError(
        .conflict, at: .root.consoleDevices[0].ports[1].backend.socket.path, "wrong",
        "leave \(PropertyPath.root.memorySize) out, or give \(PropertyPath.root.cpuCount, "2")"),
      ".consoleDevices[0].ports[1].backend.socket.path: wrong;"
        + " leave .memorySize out, or give .cpuCount 2"
    ),
  ])
  func isOneLine(error: ConfigurationError, line: String) {
    #expect(error.description == line)
  }

  @Test func shortensWhatTheUserGave() {
    let long = String(repeating: "y", count: 10_000)
    let error = ConfigurationError(.invalid, at: .root.name, given: long, "too long", "cut it")
    #expect(error.description.count < 200)
    #expect(error.description.hasSuffix(": too long; cut it"))
  }

  @Test("An error names a property, and the command line the option and key for it")
  func isSpelledByTheCommandLine() throws {
    var fixture = try ConfigurationFixture()
    func error() -> ConfigurationError? {
      do throws(ConfigurationError) {
        try fixture.configuration.validate()
        return nil
      } catch { return error }
    }
    fixture.configuration.memorySize = 4096
    #expect(
      error()?.description
        == ".memorySize 4K: the guest needs at least 2 MiB; give e.g. .memorySize 512M")
    #expect(error()?.code == .outOfRange)
    fixture = try ConfigurationFixture()
    let socket = SocketConfiguration(.abstract(name: ""))
    fixture.configuration.consoleDevices[0].ports[0].attachment = ChardevConfiguration(
      .socket(socket))
    let path = ".consoleDevices[0].ports[0].backend.socket.abstractName"
    let found = try #require(error())
    #expect(found.property.description == path)
    #expect(found.description == "\(path): the name is empty; give \(path) NAME")
    #expect(
      UsageError(found).description
        == "--virtserialport abstract=: the name is empty; give abstract=NAME")
    fixture.configuration.consoleDevices[0].ports[0].attachment.id = "c"
    #expect(error().map { UsageError($0).option } == "-chardev")
  }
}
