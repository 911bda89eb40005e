import Control
import Testing

@testable import swiftvm_cli

@Suite
struct SuggestionTests {
  private static let words = ["--kernel", "--memory", "--cpus", "--serial", "--no-reboot"]

  @Test(arguments: [
    ("--kernal", "--kernel"), ("--kernle", "--kernel"), ("-kernel", "--kernel"),
    ("kernel", "--kernel"), ("--KERNEL", "--kernel"), ("--ker", "--kernel"),
    ("--mem", "--memory"), ("--cpu", "--cpus"), ("--noreboot", "--no-reboot"),
    ("--seriall", "--serial"),
  ])
  func guesses(typed: String, meant: String) {
    #expect(Suggestion.to(typed, among: Self.words) == meant)
  }

  @Test(arguments: ["", "--", "-x", "--frobnicate", String(repeating: "kernel", count: 1000)])
  func guessesNothing(typed: String) {
    #expect(Suggestion.to(typed, among: Self.words) == nil)
  }

  @Test func takesNoSideBetweenTwoBeginnings() {
    #expect(Suggestion.to("--seri", among: ["--serial", "--series-of-things"]) == "--serial")
    #expect(Suggestion.to("--se", among: ["--serial", "--series"]) == nil)
  }
}
