/// A JSON value (RFC 8259) as QMP has it.
package enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  /// A number by its text, which is valid JSON: an id comes back digit for digit.
  case number(String)
  case string(String)
  case array([JSONValue])
  /// Members in order, no name twice.
  case object([Member])

  /// A member of an object.
  package struct Member: Equatable, Sendable {
    package let name: String
    package let value: JSONValue
  }

  /// A whole number.
  package static func integer(_ value: some BinaryInteger) -> JSONValue { .number(String(value)) }

  /// The text of a string; nil for any other value.
  package var text: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The text of a number; nil for any other value.
  var digits: String? {
    if case .number(let digits) = self { digits } else { nil }
  }

  /// A whole number that fits; nil for any other value.
  package var integer: Int? { digits.flatMap { Int($0) } }

  /// A truth value; nil for any other value.
  package var bool: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// An array's elements; nil for any other value.
  package var elements: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// An object's members; nil for any other value.
  package var members: [Member]? {
    if case .object(let members) = self { members } else { nil }
  }

  /// About how long its text is, in bytes.
  var textSize: Int {
    switch self {
    case .null, .bool: 4
    case .number(let text), .string(let text): text.utf8.count + 2
    case .array(let elements): elements.reduce(2) { $0 + $1.textSize + 2 }
    case .object(let members):
      members.reduce(2) { $0 + $1.name.utf8.count + $1.value.textSize + 6 }
    }
  }

  /// A member of an object; nil where there is none, or no object.
  package subscript(name: String) -> JSONValue? { members?.first { $0.name == name }?.value }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .integer(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }

  /// An object of those members that have a value.
  package init(dictionaryLiteral elements: (String, JSONValue?)...) {
    self = .object(
      elements.compactMap { name, value in value.map { Member(name: name, value: $0) } })
  }
}

// MARK: Text

extension JSONValue {
  /// The value as text in ASCII on one line, spaced as QEMU does.
  package var printed: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let digits): digits
    case .string(let text): Self.quoted(text)
    case .array(let elements): "[" + elements.map(\.printed).joined(separator: ", ") + "]"
    case .object(let members):
      "{"
        + members.map { Self.quoted($0.name) + ": " + $0.value.printed }
        .joined(separator: ", ") + "}"
    }
  }

  private static func quoted(_ string: String) -> String {
    var text = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"", "\\": text += "\\" + String(scalar)
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case " "..."~": text.unicodeScalars.append(scalar)
      default:
        for unit in String(scalar).utf16 {
          let digits = String(unit, radix: 16, uppercase: true)
          text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
      }
    }
    return text + "\""
  }
}
