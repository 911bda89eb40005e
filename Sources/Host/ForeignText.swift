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
