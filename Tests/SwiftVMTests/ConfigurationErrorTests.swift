import SwiftVM
import Testing

@Suite
struct ConfigurationErrorTests {
  @Test(arguments: [
    (
      ConfigurationError(option: "--a", value: "1", problem: "wrong", remedy: "give 2"),
      "--a 1: wrong; give 2"
    ),
    (ConfigurationError(option: "--a", problem: "wrong", remedy: "give 2"), "--a: wrong; give 2"),
    (ConfigurationError(option: "", value: "w", problem: "wrong", remedy: ""), "w: wrong"),
    (ConfigurationError(option: "", problem: "wrong", remedy: "do"), "wrong; do"),
    (
      ConfigurationError(option: "--a", value: "x\ny", problem: "p\u{1b}", remedy: "r\n"),
      "--a x\\ny: p\\x1b; r\\n"
    ),
  ])
  func isOneLine(error: ConfigurationError, line: String) {
    #expect(error.description == line)
  }

  @Test func shortensWhatTheUserGave() {
    let long = String(repeating: "y", count: 10_000)
    let error = ConfigurationError(option: long, value: long, problem: "too long", remedy: "cut it")
    #expect(error.description.count < 200)
    #expect(error.description.hasSuffix(": too long; cut it"))
  }
}
