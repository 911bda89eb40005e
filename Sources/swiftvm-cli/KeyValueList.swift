import SwiftVM

/// A value of the form `key=value,key=value`, QEMU's way: a comma inside a value is written twice.
struct KeyValueList {
  private let text: String
  private let option: String
  private var values: [String: String] = [:]

  /// Reads a list, each of whose keys is given once and none with an empty value.
  ///
  /// - Parameters:
  ///   - text: the list.
  ///   - option: the option it belongs to.
  ///   - keys: what must be there.
  ///   - optionalKeys: what else is allowed.
  ///   - words: what is allowed without a value.
  ///   - example: how the whole value should look, for the remedy.
  init(
    _ text: String, option: String, keys: [String], optionalKeys: [String] = [],
    words: [String] = [], example: String
  ) throws(ConfigurationError) {
    self.text = text
    self.option = option
    for item in Self.items(of: text) {
      guard !item.isEmpty else {
        throw error("a key is missing before or after a comma", "give " + example)
      }
      let (key, value) = Self.split(item)
      guard let value else {
        guard words.contains(key) else {
          throw error("\(PlainText.quoted(key)) is not key=value", "give " + example)
        }
        try insert("", for: key)
        continue
      }
      guard (keys + optionalKeys).contains(key) else {
        let nearest = NearestWord.to(key, among: keys + optionalKeys)
        throw error(
          "unknown key \(PlainText.quoted(key))",
          nearest.map { "did you mean \"\($0)\"?" } ?? "give " + example)
      }
      guard !value.isEmpty else {
        throw error("the value of \"\(key)\" is empty", "give " + example)
      }
      try insert(value, for: key)
    }
    for key in keys where values[key] == nil {
      throw error("the key \"\(key)\" is missing", "give " + example)
    }
  }

  /// The value of a key that must be there.
  func required(_ key: String) -> String { values[key] ?? "" }

  /// The value of a key; empty for a word that was given, nil for what was not.
  subscript(key: String) -> String? { values[key] }

  /// A value that is a whole number.
  func number(_ key: String) throws(ConfigurationError) -> Int? {
    guard let value = values[key] else { return nil }
    guard value.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
      let number = Int(value)
    else {
      throw error("the value of \"\(key)\" is not a whole number", "give e.g. \(key)=1")
    }
    return number
  }

  /// A value that is `on` or `off`.
  func isOn(_ key: String) throws(ConfigurationError) -> Bool? {
    switch values[key] {
    case nil: return nil
    case "on": return true
    case "off": return false
    default: throw error("the value of \"\(key)\" is not on or off", "give \(key)=on or \(key)=off")
    }
  }

  /// A value that is one of a type's words.
  func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ key: String
  ) throws(ConfigurationError) -> Choice? {
    guard let value = values[key] else { return nil }
    if let choice = Choice(rawValue: value) { return choice }
    let words = Choice.allCases.map(\.rawValue)
    throw error(
      "\"\(key)\" cannot be \(PlainText.quoted(value))",
      NearestWord.to(value, among: words).map { "did you mean \(key)=\($0)?" }
        ?? "give " + words.map { "\(key)=\($0)" }.joined(separator: " or "))
  }

  /// An error about this list.
  func error(_ problem: String, _ remedy: String) -> ConfigurationError {
    ConfigurationError(option: option, value: text, problem: problem, remedy: remedy)
  }

  private mutating func insert(_ value: String, for key: String) throws(ConfigurationError) {
    guard values.updateValue(value, forKey: key) == nil else {
      throw error("the key \"\(key)\" is given twice", "give it once")
    }
  }

  /// What stands before and after the first equals sign; all of it and nil without one.
  private static func split(_ item: [UInt8]) -> (key: String, value: String?) {
    let equals = item.firstIndex(of: UInt8(ascii: "="))
    return (
      String(decoding: item[..<(equals ?? item.endIndex)], as: UTF8.self),
      equals.map { String(decoding: item[($0 + 1)...], as: UTF8.self) }
    )
  }

  /// Splits at single commas and makes double ones single. On bytes: to a `Character`, a comma
  /// under a combining mark is another letter.
  private static func items(of text: String) -> [[UInt8]] {
    let comma = UInt8(ascii: ",")
    let bytes = Array(text.utf8)
    var items: [[UInt8]] = []
    var item: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] != comma {
        item.append(bytes[index])
      } else if index + 1 < bytes.count, bytes[index + 1] == comma {
        item.append(comma)
        index += 1
      } else {
        items.append(item)
        item = []
      }
      index += 1
    }
    return items + [item]
  }
}
