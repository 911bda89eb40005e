/// Sizes in bytes as people write them: a number and a binary suffix.
package enum ByteCount {
  package static let kibibyte: UInt64 = 1 << 10
  package static let mebibyte: UInt64 = 1 << 20
  package static let gibibyte: UInt64 = 1 << 30

  /// Why a text is not a size.
  package enum ParseError: Error, Equatable, Sendable {
    /// Not a decimal number with one of the suffixes K, M, G or none.
    case malformed
    /// More than 64 bits hold.
    case tooLarge
  }

  /// Reads `512M`, `2G`, `4096K`; suffixes are taken in either case.
  ///
  /// - Parameter plainUnit: what a number without a suffix counts: MiB, as QEMU's `-m` does.
  package static func parse(
    _ text: String, plainUnit: UInt64 = mebibyte
  ) throws(ParseError) -> UInt64 {
    var digits = Array(text.utf8)
    var unit = plainUnit
    if let suffix = digits.last, let suffixUnit = Self.unit(of: suffix) {
      unit = suffixUnit
      digits.removeLast()
    }
    guard !digits.isEmpty else { throw .malformed }
    guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      throw .malformed
    }
    guard let number = UInt64(String(decoding: digits, as: UTF8.self)) else { throw .tooLarge }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
    guard !overflow else { throw .tooLarge }
    return bytes
  }

  /// Writes a size as `parse` reads it where a suffix divides it (`512M`), else as `4097 bytes`.
  package static func format(_ bytes: UInt64) -> String {
    if bytes == 0 { return "0" }
    for (unit, suffix) in [(gibibyte, "G"), (mebibyte, "M"), (kibibyte, "K")]
    where bytes % unit == 0 {
      return String(bytes / unit) + suffix
    }
    return "\(bytes) bytes"
  }

  private static func unit(of suffix: UInt8) -> UInt64? {
    switch suffix {
    case UInt8(ascii: "K"), UInt8(ascii: "k"): kibibyte
    case UInt8(ascii: "M"), UInt8(ascii: "m"): mebibyte
    case UInt8(ascii: "G"), UInt8(ascii: "g"): gibibyte
    default: nil
    }
  }
}
