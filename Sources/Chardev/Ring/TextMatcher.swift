/// Finds a text in a stream that comes in pieces, wherever they are cut.
///
/// Knuth, Morris and Pratt's way: every byte is looked at once, and only how much of the text has
/// been seen is remembered.
struct TextMatcher {
  private let text: [UInt8]
  /// For each number of matched bytes, how many still match after the next one does not.
  private let fallbacks: [Int]
  private var matched = 0

  init(_ text: [UInt8]) {
    self.text = text
    var fallbacks = [Int](repeating: 0, count: text.count)
    var length = 0
    for index in text.indices.dropFirst() {
      while length > 0, text[index] != text[length] { length = fallbacks[length - 1] }
      if text[index] == text[length] { length += 1 }
      fallbacks[index] = length
    }
    self.fallbacks = fallbacks
  }

  /// Takes the next bytes; returns how many of them it took to complete the text, or nil if it is
  /// not complete.
  mutating func find(in bytes: some Collection<UInt8>) -> Int? {
    if text.isEmpty { return 0 }
    var taken = 0
    for byte in bytes {
      taken += 1
      while matched > 0, text[matched] != byte { matched = fallbacks[matched - 1] }
      if text[matched] == byte { matched += 1 }
      if matched == text.count {
        matched = 0
        return taken
      }
    }
    return nil
  }
}
