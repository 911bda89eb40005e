import Glibc
import Testing

@testable import Host

@Suite struct LogTests {
  @Test func escapesWhatWouldBreakTheLineOrCommandTheTerminal() {
    let line = Log.line("a\nb\u{1b}[2J\u{7f}\u{85}\u{2028}\u{202e}é")
    #expect(
      String(decoding: line, as: UTF8.self)
        == "a\\nb\\u{1B}[2J\\u{7F}\\u{0085}\\u{2028}\\u{202E}é\n")
  }

  @Test func printsOneLineEachOnStandardError() async {
    let result = await #expect(
      processExitsWith: .success, observing: [\.standardErrorContent]
    ) {
      Log.error("first")
      Log.warning("second")
      Log.note("third")
      exit(0)
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text == "swiftvm: first\nswiftvm: warning: second\nswiftvm: third\n")
  }

  @Test(.timeLimit(.minutes(1)))
  func dropsALineRatherThanWaitForAReader() async {
    await #expect(processExitsWith: .exitCode(7)) {
      var ends: [Int32] = [-1, -1]
      pipe(&ends)
      dup2(ends[1], STDERR_FILENO)
      for _ in 0..<10_000 { Log.warning("nobody reads this pipe, which holds 64 KiB") }
      exit(7)
    }
  }
}
