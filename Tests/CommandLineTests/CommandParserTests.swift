import SwiftVM
import Testing

@testable import swiftvm_cli

@Suite
struct CommandParserTests {
  @Test(
    arguments: [
      (["run"], .run(RunRequest())),
      (["check"], .check(isQuiet: false)),
      (["check", "--quiet"], .check(isQuiet: true)),
      (["help"], .help(nil)),
      (["help", "run"], .help(CommandTable.run)),
      (["help", "--help"], .help(CommandTable.help)),
      (["completion", "bash"], .completion(.bash)),
      (["completion", "--help"], .help(CommandTable.completion)),
      (["manual"], .manual),
      (["help", "check"], .help(CommandTable.check)),
      (["--help"], .help(nil)),
      (["-h"], .help(nil)),
      (["--version"], .version),
      (["run", "--help"], .help(CommandTable.run)),
      (["run", "-h"], .help(CommandTable.run)),
      (["run", "--version"], .version),
      (["check", "--help"], .help(CommandTable.check)),
      (["check", "--quiet", "--version"], .version),
      // Help wins over values that would be refused.
      (["run", "--memory", "lots", "--help"], .help(CommandTable.run)),
    ] as [([String], Command)])
  func understands(words: [String], command: Command) throws {
    #expect(try CommandParser.parse(bytes(words)) == command)
  }

  @Test(arguments: [
    ([], "no command given; see swiftvm --help"),
    ([""], "unknown command; see swiftvm --help"),
    (["rum"], "rum: unknown command; did you mean swiftvm run?"),
    (["chekc"], "chekc: unknown command; did you mean swiftvm check?"),
    (["frobnicate"], "frobnicate: unknown command; see swiftvm --help"),
    (
      ["--kernel", "x"],
      "--kernel: options follow a command; give e.g. swiftvm run --kernel, or see swiftvm --help"
    ),
    (["--version", "x"], "x: unexpected argument; see swiftvm --help"),
    (["--help", "run"], "run: unexpected argument; see swiftvm --help"),
    (["help", "run", "x"], "x: unexpected argument; see swiftvm help --help"),
    (["help", "me"], "help me: there is no such command; see swiftvm --help"),
    (["check", "--quite"], "--quite: unknown option; did you mean --quiet?"),
    (["check", "--kernel"], "--kernel: unknown option; see swiftvm check --help"),
    (["check", "x"], "x: unexpected argument; see swiftvm check --help"),
    (["check", "--quiet=1"], "--quiet 1: this option takes no value; give --quiet alone"),
    (
      ["check", "--quiet", "--quiet"], "--quiet: this option is given twice; give it once"
    ),
  ])
  func refuses(words: [String], line: String) {
    #expect(refusal(bytes(words)) == line)
  }

  @Test func showsWordsThatAreNotText() {
    #expect(refusal([[0x72, 0xfe]]) == "r\\xfe: unknown command; see swiftvm --help")
    #expect(
      refusal([Array("run".utf8), Array("--\u{1b}".utf8) + [0xff]])
        == "--\\x1b\\xff: unknown option; see swiftvm run --help")
  }

  @Test(arguments: 0..<16)
  func survivesArbitraryWords(seed: UInt64) {
    var random = SeededGenerator(state: seed)
    let fragments = ["run", "--virtserialport", "name=a,socket=/x", "--serial=file=", "--memory"]
    for _ in 0..<400 {
      var words = random.next(upTo: 2) == 0 ? [] : [Array("run".utf8)]
      for _ in 0..<random.next(upTo: 5) {
        var word = Array(fragments[random.next(upTo: fragments.count)].utf8)
        for _ in 0..<random.next(upTo: 4) {
          let position = random.next(upTo: word.count + 1)
          word.insert(UInt8(random.next(upTo: 255) + 1), at: position)
        }
        words.append(word)
      }
      guard let line = refusal(words) else { continue }
      #expect(line.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "\(words)")
      #expect(line.count < 500, "\(words)")
    }
  }
}

/// Numbers that are the same in every run (xorshift).
private struct SeededGenerator {
  private var state: UInt64

  init(state: UInt64) {
    self.state = (state &+ 1) &* 0x9e37_79b9_7f4a_7c15
  }

  mutating func next(upTo limit: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state % UInt64(limit))
  }
}
