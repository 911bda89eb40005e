/// Guesses which word was meant.
package enum Suggestion {
  /// The word that a mistyped one most likely stands for; nil where none is near.
  ///
  /// A word is near if the typed one begins it, or if few letters are wrong: one in three, counting
  /// two swapped neighbours as one.
  package static func to(_ typed: String, among words: [String]) -> String? {
    let typed = Self.letters(of: typed)
    guard !typed.isEmpty, typed.count <= 32 else { return nil }
    let candidates = words.map { (word: $0, letters: Self.letters(of: $0)) }
    if typed.count >= 2 {
      let begun = candidates.filter { $0.letters.starts(with: typed) }
      if begun.count == 1 { return begun.first?.word }
    }
    var nearest: String?
    var least = Int.max
    for candidate in candidates {
      let length = candidate.letters.count
      let wrong = distance(typed, candidate.letters)
      guard wrong < least, wrong < length, wrong <= max(1, length / 3) else { continue }
      (nearest, least) = (candidate.word, wrong)
    }
    return nearest
  }

  /// The word without its dashes, in lower case, as bytes.
  private static func letters(of word: String) -> [UInt8] {
    Array(word.lowercased().utf8.drop { $0 == UInt8(ascii: "-") })
  }

  /// Optimal string alignment: insertions, deletions, replacements, swaps of neighbours.
  private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
    var beforePrevious: [Int] = []
    var previous = Array(0...second.count)
    for row in first.indices {
      var current = [row + 1]
      for column in second.indices {
        let isSame = first[row] == second[column]
        var cost = min(
          previous[column] + (isSame ? 0 : 1), previous[column + 1] + 1, current[column] + 1)
        if row > 0, column > 0, first[row] == second[column - 1], first[row - 1] == second[column] {
          cost = min(cost, beforePrevious[column - 1] + 1)
        }
        current.append(cost)
      }
      beforePrevious = previous
      previous = current
    }
    return previous[second.count]
  }
}
