import SwiftVM

// The values of a list's keys as what they mean.

extension KeyValueList {
  /// A value that is a whole number, in decimal or, after 0x, in hexadecimal.
  func number(_ key: String) throws(ConfigurationError) -> Int? {
    guard let value = self[key] else { return nil }
    guard let number = Self.number(value) else {
      throw error("the value of \"\(key)\" is not a whole number", "give e.g. \(key)=1")
    }
    return number
  }

  /// A value that is a port of TCP or UDP.
  func port(_ key: String) throws(ConfigurationError) -> UInt16? {
    guard let value = self[key] else { return nil }
    guard let port = Self.number(value).flatMap({ UInt16(exactly: $0) }) else {
      throw error(
        "the value of \"\(key)\" is not a port's number", "give \(key)= from 0 to 65535")
    }
    return port
  }

  /// A value that is `on` or `off`.
  func isOn(_ key: String) throws(ConfigurationError) -> Bool? {
    switch self[key] {
    case nil: return nil
    case "on": return true
    case "off": return false
    default: throw error("the value of \"\(key)\" is not on or off", "give \(key)=on or \(key)=off")
    }
  }

  /// A value that is a list of users' or groups' numbers.
  func numbers(_ key: String) throws(ConfigurationError) -> [UInt32]? {
    guard let text = self[key] else { return nil }
    let words = text.split(separator: ":", omittingEmptySubsequences: false)
    let numbers = words.compactMap { $0.utf8.first == UInt8(ascii: "+") ? nil : UInt32($0) }
    guard numbers.count == words.count else {
      throw error("the value of \"\(key)\" is not a list of numbers", "give e.g. \(key)=0:1000")
    }
    return numbers
  }

  /// A value that is a size in bytes, a plain number counting bytes.
  func size(_ key: String) throws(ConfigurationError) -> UInt64? {
    guard let value = self[key] else { return nil }
    do throws(ByteCount.ParseError) {
      return try ByteCount.parse(value, plainUnit: 1)
    } catch {
      throw self.error(
        "the value of \"\(key)\" is not a size",
        "give a number of bytes, or with K, M or G, e.g. \(key)=64K")
    }
  }

  /// A value that is one of a type's words.
  func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ key: String
  ) throws(ConfigurationError) -> Choice? {
    guard let value = self[key] else { return nil }
    if let choice = Choice(rawValue: value) { return choice }
    let words = Choice.allCases.map(\.rawValue)
    throw error(
      "\"\(key)\" cannot be \(PlainText.quoted(value))",
      Suggestion.to(value, among: words).map { "did you mean \(key)=\($0)?" }
        ?? "give " + words.map { "\(key)=\($0)" }.joined(separator: " or "))
  }

  private static func number(_ text: String) -> Int? {
    let isHexadecimal = text.hasPrefix("0x")
    let digits = isHexadecimal ? text.dropFirst(2) : text[...]
    // Int takes a sign, too.
    guard digits.utf8.first.map({ $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "+") }) == true
    else { return nil }
    return Int(digits, radix: isHexadecimal ? 16 : 10)
  }
}
