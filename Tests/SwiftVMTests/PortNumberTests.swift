import SwiftVM
import Testing

/// The numbers of ports: what is refused (in QEMU's words), and what is given to those without one.
@Suite
struct PortNumberTests {
  /// A port of each number, `c` before it for a console, `-` for none.
  private func ports(_ text: String) -> [VirtioConsolePortConfiguration] {
    text.split(separator: " ").enumerated().map { index, word in
      let isConsole = word.hasPrefix("c")
      return VirtioConsolePortConfiguration(
        number: Int(isConsole ? word.dropFirst() : word), name: "p\(index)", isConsole: isConsole,
        attachment: .none)
    }
  }

  private func problem(_ text: String, maximum: Int = 31) throws -> String? {
    var fixture = try ConfigurationFixture()
    fixture.configuration.consoleDevices = [
      VirtioConsoleDeviceConfiguration(ports: ports(text), maximumPortCount: maximum)
    ]
    return fixture.problem()
  }

  @Test(arguments: [
    ("-", "1"), ("- - -", "1 2 3"), ("c", "0"), ("- c -", "1 0 2"), ("c c c", "0 1 2"),
    ("c0 c", "0 1"), ("c3 c -", "3 0 1"), ("c c0", "1 0"), ("- 1 - 3 -", "2 1 4 3 5"),
    ("30 -", "30 1"),
  ])
  func fillsTheFreeNumbers(text: String, expected: String) throws {
    let device = VirtioConsoleDeviceConfiguration(ports: ports(text))
    let numbers = try device.portNumbers
    #expect(numbers.map(String.init).joined(separator: " ") == expected)
  }

  @Test(arguments: [
    (
      "0",
      "nr=0: Port number 0 on virtio-serial devices reserved for virtconsole devices for"
        + " backward compatibility; give nr=1 or higher, or leave nr out"
    ),
    ("3 3", "nr=3: A port already exists at id 3; give another number, or leave nr out"),
    (
      "31",
      "nr=31: Out-of-range port id specified, max. allowed: 30;"
        + " give a number below 31, or the device max-ports=32"
    ),
    (
      "32765",
      "nr=32765: Out-of-range port id specified, max. allowed: 30;"
        + " give a number below 31, or the device max-ports=32766"
    ),
    ("32766", "nr=32766: Out-of-range port id specified, max. allowed: 30; give a number below 31"),
    ("-1", "nr=-1: Out-of-range port id specified, max. allowed: 30; give a number below 31"),
    (
      "9223372036854775807",
      "nr=9223372036854775807: Out-of-range port id specified, max. allowed:"
        + " 30; give a number below 31"
    ),
  ])
  func refusesNumbers(text: String, problem: String) throws {
    #expect(try self.problem(text) == "--virtserialport " + problem)
  }

  @Test func refusesTheSecondConsoleAtANumber() throws {
    #expect(
      try problem("c0 c0")
        == "--virtconsole nr=0: A port already exists at id 0; give another number, or leave nr out"
    )
    #expect(try problem("c0 c30") == nil)
  }

  @Test(arguments: [
    (30, 31, true), (31, 31, false), (1, 1, false), (510, 511, true), (32765, 32766, true),
    (32766, 32766, false),
  ])
  func countsPorts(count: Int, maximum: Int, isValid: Bool) throws {
    let text = Array(repeating: "-", count: count).joined(separator: " ")
    let line =
      "--virtserialport: Maximum port limit for this device reached;"
      + " leave some ports out, or give the device more max-ports"
    #expect(try problem(text, maximum: maximum) == (isValid ? nil : line))
    // A console has a number that no channel can have.
    #expect(try problem("c " + text, maximum: maximum) == (isValid ? nil : line))
  }
}
