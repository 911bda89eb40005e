import SwiftVM

@testable import swiftvm_cli

/// The words as the bytes a process receives.
func bytes(_ words: [String]) -> [[UInt8]] {
  words.map { Array($0.utf8) }
}

/// The line that refuses these words; nil where they are understood.
func refusal(_ words: [[UInt8]]) -> String? {
  do throws(UsageError) {
    _ = try CommandParser.parse(words)
    return nil
  } catch {
    return error.description
  }
}
