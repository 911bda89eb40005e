import Host

/// What the value of a key may be, in the words of users.
package enum ValueKind: Equatable, Sendable {
  /// `on` or `off`.
  case flag
  /// A whole number, in decimal or, after 0x, in hexadecimal.
  case number
  /// A whole number of these units, so many of them at most.
  case time(unit: String, limit: Int)
  /// A number of bytes, or with K, M or G.
  case size
  /// A port of TCP or UDP.
  case port
  /// A slot of the PCI bus as QEMU writes it: in hexadecimal, perhaps with the function after a dot, as
  /// in `5`, `0x5` and `05.0`.
  case slot
  /// Permissions, in octal.
  case permissions
  /// Numbers of users or groups, with colons between them.
  case numbers
  /// One of these words.
  case choice([String])
  /// A name; in QMP of ASCII.
  case name
  /// Any text.
  case text

  /// What stands for such a value in the help, where nothing better is said; empty for a flag, which
  /// may stand alone.
  package var usage: String {
    if case .choice(let words) = self { words.joined(separator: "|") } else { "" }
  }

  /// Reads a value.
  ///
  /// - Parameters:
  ///   - text: the value.
  ///   - key: its key, for the error.
  package func read(_ text: String, of key: String) throws(KeyProblem) -> KeyValue {
    switch self {
    case .flag:
      guard let isOn = ["on": true, "off": false][text] else {
        throw KeyProblem("the value of \"\(key)\" is not on or off", "give \(key)=on or \(key)=off")
      }
      return .flag(isOn)
    case .number: return .number(try Self.number(text, of: key))
    case .time(let unit, let limit):
      let time = try Self.number(text, of: key)
      guard time <= limit else {
        throw KeyProblem("\"\(key)\" is too long", "give at most \(limit) \(unit)")
      }
      return .number(time)
    case .size: return .number(try Self.size(text, of: key))
    case .port:
      guard let port = Self.number(text).flatMap({ UInt16(exactly: $0) }) else {
        throw KeyProblem(
          "the value of \"\(key)\" is not a port's number", "give \(key)= from 0 to 65535")
      }
      return .number(Int(port))
    case .slot: return .number(try Self.slot(text, of: key))
    case .permissions:
      guard let mode = Int(digits: text, radix: 8), mode <= 0o777 else {
        throw KeyProblem(
          "the value of \"\(key)\" is not permissions in octal", "give e.g. \(key)=660")
      }
      return .number(mode)
    case .numbers: return .numbers(try Self.numbers(text, of: key))
    case .choice(let words):
      guard words.contains(text) else {
        throw KeyProblem(
          "\"\(key)\" cannot be \(PlainText.quoted(text))",
          Suggestion.to(text, among: words).map { "did you mean \(key)=\($0)?" }
            ?? "give " + words.map { "\(key)=\($0)" }.joined(separator: " or "))
      }
      return .text(text)
    case .name, .text: return .text(text)
    }
  }

  /// Whether a text has no character but the digits 0 to 9: `Int` takes a sign, too.
  package static func isDigits(_ text: some StringProtocol) -> Bool {
    text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
  }

  private static func number(_ text: String, of key: String) throws(KeyProblem) -> Int {
    guard let number = number(text) else {
      throw KeyProblem("the value of \"\(key)\" is not a whole number", "give e.g. \(key)=1")
    }
    return number
  }

  private static func number(_ text: String) -> Int? {
    text.hasPrefix("0x") ? Int(digits: text.dropFirst(2), radix: 16) : Int(digits: text)
  }

  /// A number of bytes.
  package static func size(_ text: String, of key: String) throws(KeyProblem) -> Int {
    do throws(ByteCount.ParseError) {
      return Int(clamping: try ByteCount.parse(text, plainUnit: 1))
    } catch {
      throw KeyProblem(
        "the value of \"\(key)\" is not a size",
        "give a number of bytes, or with K, M or G, e.g. \(key)=64K")
    }
  }

  /// A slot of the PCI bus.
  package static func slot(_ text: String, of key: String) throws(KeyProblem) -> Int {
    let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text[...]
    let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int(digits: $0, radix: 16) }
    guard numbers.count == parts.count, parts.count <= 2, let slot = numbers.first,
      slot < 32, parts.count == 1 || numbers[1] < 8
    else {
      throw KeyProblem(
        "Property '\(key)' doesn't take value '\(PlainText.shortened(text))'",
        "give \(key)= from 0x1 to 0x1f")
    }
    guard parts.count == 1 || numbers[1] == 0 else {
      throw KeyProblem(
        "every device has a slot of its own, with one function", "give another slot")
    }
    return slot
  }

  private static func numbers(_ text: String, of key: String) throws(KeyProblem) -> [UInt32] {
    let words = text.split(separator: ":", omittingEmptySubsequences: false)
    let numbers = words.compactMap { UInt32(digits: $0) }
    guard numbers.count == words.count else {
      throw KeyProblem(
        "the value of \"\(key)\" is not a list of numbers", "give e.g. \(key)=0:1000")
    }
    return numbers
  }
}

/// A key's value, read.
package enum KeyValue: Equatable, Sendable {
  case flag(Bool)
  case number(Int)
  case numbers([UInt32])
  case text(String)
}

extension KeyValue {
  /// Whether it is a flag that is on.
  package var isOn: Bool { self == .flag(true) }

  /// The number; 0 for a value of another kind.
  package var number: Int { if case .number(let number) = self { number } else { 0 } }

  /// The numbers; none for a value of another kind.
  package var numbers: [UInt32] { if case .numbers(let numbers) = self { numbers } else { [] } }

  /// The text; empty for a value of another kind.
  package var text: String { if case .text(let text) = self { text } else { "" } }
}

/// Values by the names of their keys.
// String keys: the tables' own words, by which the values are looked for.
package typealias KeyValues = [String: KeyValue]

/// What is wrong with keys or their values, and what to do about it; both are clauses.
package struct KeyProblem: Error, Equatable {
  package let problem: String
  package let remedy: String

  package init(_ problem: String, _ remedy: String = "leave it out") {
    self.problem = problem
    self.remedy = remedy
  }
}
