/// Text fit for one line on a terminal, whatever the user's words held.
package enum PlainText {
  /// The most characters that `shortened` lets through.
  package static let maximumLength = 72

  /// The text with every character that could break or disturb a line (controls, line separators,
  /// direction marks) spelled as an escape.
  package static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control where ["\n", "\r", "\t"].contains(scalar):
        result += scalar.escaped(asASCII: true)
      case .control where scalar.value < 0x80:
        result += "\\x" + hexadecimal(UInt8(truncatingIfNeeded: scalar.value))
      case .control, .format, .lineSeparator, .paragraphSeparator:
        result += "\\u{" + String(scalar.value, radix: 16) + "}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// The bytes as text; where they are not UTF-8, each byte beyond ASCII as an escape.
  package static func displayed(_ bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    var result = ""
    for byte in bytes {
      if byte < 0x80 {
        result.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        result += "\\x" + hexadecimal(byte)
      }
    }
    return result
  }

  /// The text escaped, its middle left out where it is longer than `maximumLength` characters.
  package static func shortened(_ text: String) -> String {
    let whole = escaped(text)
    guard whole.count > maximumLength else { return whole }
    return whole.prefix(maximumLength - 27) + "..." + whole.suffix(24)
  }

  /// The text escaped, shortened and between quotation marks, to stand inside a sentence.
  package static func quoted(_ text: String) -> String {
    "\"" + shortened(text) + "\""
  }

  private static func hexadecimal(_ byte: UInt8) -> String {
    (byte < 0x10 ? "0" : "") + String(byte, radix: 16)
  }
}

/// Limits of text that a client or another program wrote, to be checked before the text is compared
/// or becomes a key.
///
/// Swift compares and hashes strings by canonical equivalence. For a row of combining marks that takes
/// time in the square of their number: half a minute for 400 KB. ASCII is compared byte by byte. So
/// names are short, and dictionaries of foreign text have bytes as keys. `Tests/check-foreign-text`
/// finds others.
package enum ForeignText {
  /// The most bytes of a name: of a command, a parameter, a device, a port.
  package static let largestName = 256
  /// The most bytes of any other text that is compared: a path (`PATH_MAX`), an address, a list of
  /// keys and values.
  package static let largestText = 4096

  /// Whether a text can be a name that is compared or hashed: ASCII, and not too long.
  package static func isName(_ text: String) -> Bool {
    text.utf8.count <= largestName && text.utf8.allSatisfy { $0 < 0x80 }
  }
}

extension FixedWidthInteger {
  /// The number that digits stand for; nil for any other text, one with a sign included.
  package init?(digits text: some StringProtocol, radix: Int = 10) {
    guard let first = text.utf8.first, !"+-".utf8.contains(first) else { return nil }
    self.init(text, radix: radix)
  }
}
