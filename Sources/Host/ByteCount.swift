/// Sizes in bytes as people write them: a number and a binary suffix.
package enum ByteCount {
  /// What the suffix M stands for.
  package static let mebibyte: UInt64 = 1 << 20

  private static let units: [(suffix: Unicode.Scalar, bytes: UInt64)] = [
    ("G", 1 << 30), ("M", mebibyte), ("K", 1 << 10),
  ]

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
    let lowerCase: UInt8 = 0x20
    let last = text.utf8.last ?? 0
    let unit = units.first { last & ~lowerCase == UInt8(ascii: $0.suffix) }
    let digits = text.utf8.dropLast(unit == nil ? 0 : 1)
    let isNumber = digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard !digits.isEmpty, isNumber else { throw .malformed }
    guard let number = UInt64(Substring(digits)) else { throw .tooLarge }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: unit?.bytes ?? plainUnit)
    guard !overflow else { throw .tooLarge }
    return bytes
  }

  /// Writes a size as `parse` reads it where a suffix divides it (`512M`), else as `4097 bytes`.
  package static func format(_ bytes: UInt64) -> String {
    if bytes == 0 { return "0" }
    guard let unit = units.first(where: { bytes % $0.bytes == 0 }) else { return "\(bytes) bytes" }
    return "\(bytes / unit.bytes)\(unit.suffix)"
  }
}
