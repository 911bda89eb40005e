import SwiftVM
import TestSupport
import Testing

@Suite
struct PortValidationTests {
  @Test(arguments: [
    "org.fedoraproject.port.0", "a", "with space", "émoji🙂", "...", "a=b,c", "-x",
    String(repeating: "n", count: 255),
  ])
  func acceptsNames(name: String) throws {
    var fixture = try ConfigurationFixture()
    fixture.setPorts(names: [name])
    #expect(fixture.problem() == nil)
  }

  @Test(
    arguments: [
      (
        [""], "name=: the name is empty; give e.g. name=org.example.port.0"
      ),
      (
        ["a/b"],
        "name=a/b: the name holds \"/\", and it becomes a file name in the guest; choose another name"
      ),
      // One Character, but still a slash to the guest.
      (
        ["a/\u{338}b"],
        "name=a/\u{338}b: the name holds \"/\", and it becomes a file name in the guest;"
          + " choose another name"
      ),
      (["a\0b"], "name=a\\x00b: the name holds a control character; choose another name"),
      (["a\nb"], "name=a\\nb: the name holds a control character; choose another name"),
      (["a\u{7f}"], "name=a\\x7f: the name holds a control character; choose another name"),
      (["."], "name=.: the name means a directory in the guest; choose another name"),
      ([".."], "name=..: the name means a directory in the guest; choose another name"),
      (["a", "b", "a"], "name=a: A port already exists by name a; choose another name"),
    ] as [([String?], String)])
  func refusesNames(names: [String?], problem: String) throws {
    var fixture = try ConfigurationFixture()
    fixture.setPorts(names: names)
    let line = problem.utf8.starts(with: "--".utf8) ? problem : "--virtserialport " + problem
    #expect(fixture.problem() == line)
  }

  @Test func countsTheNamesBytes() throws {
    var fixture = try ConfigurationFixture()
    fixture.setPorts(names: [String(repeating: "é", count: 128)])
    let problem = try #require(fixture.problem())
    #expect(problem.contains("the name has 256 bytes, and at most 255 fit"))
    #expect(problem.count < 200)
  }

  @Test func tellsSpellingsOfACharacterApart() throws {
    var fixture = try ConfigurationFixture()
    fixture.setPorts(names: ["\u{e9}", "e\u{301}"])
    #expect(fixture.problem() == nil)
  }

  @Test func findsANameUsedByAnotherDevice() throws {
    var fixture = try ConfigurationFixture()
    fixture.setPorts(names: ["same"])
    fixture.configuration.consoleDevices += fixture.configuration.consoleDevices
    #expect(
      fixture.problem()
        == "--virtserialport name=same: A port already exists by name same; choose another name")
  }

  @Test func letsAConsoleGoWithoutName() throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.consoleDevices = [
      VirtioConsoleDeviceConfiguration(ports: [
        VirtioConsolePortConfiguration(name: nil, isConsole: true, attachment: .none)
      ])
    ]
    #expect(fixture.problem() == nil)
  }
}
