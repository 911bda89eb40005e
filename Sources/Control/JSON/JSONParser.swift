import Host

extension QMPError {
  /// Why bytes are no JSON value. The texts are QEMU's where it has one.
  fileprivate init(json problem: String) { self.init("JSON parse error, " + problem) }
}

/// Reads one JSON value (RFC 8259) strictly, but for strings in single quotes, which QMP knows, and
/// for objects' member names, which are `ForeignText` names.
package struct JSONParser {
  private static let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
  private static let letters = UInt8(ascii: "a")...UInt8(ascii: "z")

  private var rest: ArraySlice<UInt8>
  private let depthLimit: Int
  private let countLimit: Int
  private var count = 0

  /// The value that the bytes are, with nothing but spaces around it.
  ///
  /// - Parameters:
  ///   - depthLimit: how deep values may be within others.
  ///   - countLimit: how many values there may be within it.
  package static func parse(
    _ bytes: [UInt8], depthLimit: Int = 64, countLimit: Int = 1 << 14
  ) throws(QMPError) -> JSONValue {
    var parser = JSONParser(rest: bytes[...], depthLimit: depthLimit, countLimit: countLimit)
    let value = try parser.value(depth: 0)
    parser.skipSpace()
    guard parser.rest.isEmpty else { throw QMPError(json: "something follows the value") }
    return value
  }

  private mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard rest.first == UInt8(ascii: character) else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func skipSpace() { _ = take { [0x20, 0x09, 0x0a, 0x0d].contains($0) } }

  /// The bytes up to the first that is not one of these.
  private mutating func take(_ isMeant: (UInt8) -> Bool) -> ArraySlice<UInt8> {
    let taken = rest.prefix(while: isMeant)
    rest = rest[taken.endIndex...]
    return taken
  }

  private mutating func value(depth: Int) throws(QMPError) -> JSONValue {
    count += 1
    guard count <= countLimit else { throw QMPError(json: "token count limit exceeded") }
    guard depth <= depthLimit else { throw QMPError(json: "nesting depth limit exceeded") }
    skipSpace()
    guard let byte = rest.first else { throw QMPError(json: "expecting value") }
    switch byte {
    case UInt8(ascii: "{"): return .object(try object(depth: depth))
    case UInt8(ascii: "["): return .array(try array(depth: depth))
    case UInt8(ascii: "\""), UInt8(ascii: "'"): return .string(try string())
    case UInt8(ascii: "-"), Self.digits: return .number(try number())
    case Self.letters: return try keyword()
    case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ","), UInt8(ascii: ":"):
      throw QMPError(json: "expecting value")
    default: throw QMPError(json: "stray '\(Self.shown([byte]))'")
    }
  }

  private mutating func object(depth: Int) throws(QMPError) -> [JSONValue.Member] {
    rest.removeFirst()
    var members: [JSONValue.Member] = []
    var names: Set<[UInt8]> = []
    skipSpace()
    if skip("}") { return members }
    repeat {
      guard case .string(let name) = try value(depth: depth + 1) else {
        throw QMPError(json: "key is not a string in object")
      }
      guard ForeignText.isName(name) else {
        throw QMPError(json: "key is not ASCII of at most \(ForeignText.largestName) bytes")
      }
      skipSpace()
      guard skip(":") else { throw QMPError(json: "missing : in object pair") }
      guard names.insert(Array(name.utf8)).inserted else { throw QMPError(json: "duplicate key") }
      members.append(.init(name: name, value: try value(depth: depth + 1)))
      skipSpace()
    } while skip(",")
    guard skip("}") else { throw QMPError(json: "expected separator in dict") }
    return members
  }

  private mutating func array(depth: Int) throws(QMPError) -> [JSONValue] {
    rest.removeFirst()
    var elements: [JSONValue] = []
    skipSpace()
    if skip("]") { return elements }
    repeat {
      elements.append(try value(depth: depth + 1))
      skipSpace()
    } while skip(",")
    guard skip("]") else { throw QMPError(json: "expected separator in list") }
    return elements
  }

  private mutating func keyword() throws(QMPError) -> JSONValue {
    let word = take { Self.letters.contains($0) }
    switch String(decoding: word, as: UTF8.self) {
    case "true": return .bool(true)
    case "false": return .bool(false)
    case "null": return .null
    default: throw QMPError(json: "invalid keyword '\(Self.shown(word))'")
    }
  }

  private mutating func number() throws(QMPError) -> String {
    let start = rest
    _ = skip("-")
    // No zero leads other digits.
    var isValid = skip("0") || skipDigits()
    if skip(".") { isValid = skipDigits() && isValid }
    if skip("e") || skip("E") {
      if !skip("+") { _ = skip("-") }
      isValid = skipDigits() && isValid
    }
    if let byte = rest.first, Self.digits.contains(byte) { isValid = false }
    let text = start[..<rest.startIndex]
    guard isValid else { throw QMPError(json: "stray '\(Self.shown(text))'") }
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func skipDigits() -> Bool { !take { Self.digits.contains($0) }.isEmpty }

  private mutating func string() throws(QMPError) -> String {
    let quote = rest.popFirst()
    var text: [UInt8] = []
    while let byte = rest.popFirst() {
      switch byte {
      case quote:
        guard let string = String(validating: text, as: UTF8.self) else {
          throw QMPError(json: "invalid UTF-8 sequence in string")
        }
        return string
      case UInt8(ascii: "\\"): text += String(try escaped()).utf8
      case ..<0x20: throw QMPError(json: "control character in string")
      default: text.append(byte)
      }
    }
    throw QMPError(json: "a string without an end")
  }

  private mutating func escaped() throws(QMPError) -> Unicode.Scalar {
    switch rest.popFirst() {
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try unicode()
    case .some(let byte) where "\"\\/'".utf8.contains(byte): return Unicode.Scalar(byte)
    default: throw QMPError(json: "invalid escape sequence in string")
    }
  }

  private mutating func unicode() throws(QMPError) -> Unicode.Scalar {
    let first = try codeUnit()
    if let scalar = Unicode.Scalar(first) { return scalar }
    if (0xd800..<0xdc00).contains(first), skip("\\"), skip("u") {
      let second = try codeUnit()
      if (0xdc00..<0xe000).contains(second),
        let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
      {
        return scalar
      }
    }
    throw QMPError(json: "\\u escape is not a valid Unicode character")
  }

  private mutating func codeUnit() throws(QMPError) -> UInt32 {
    let digits = rest.prefix(4)
    guard digits.count == 4, digits.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
      let unit = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw QMPError(json: "invalid escape sequence in string") }
    rest = rest.dropFirst(4)
    return unit
  }

  /// What was found, for an error's text.
  private static func shown(_ bytes: some Collection<UInt8>) -> String {
    String(decoding: bytes.prefix(32), as: UTF8.self)
  }
}
