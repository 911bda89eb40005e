/// One ACPI table being written: header first, length and checksum last (ACPI 6.5, 5.2.6).
struct TableWriter {
  private var bytes: [UInt8] = []

  /// - Parameters:
  ///   - signature: four characters.
  ///   - revision: the table's own.
  init(signature: String, revision: UInt8) {
    bytes.append(contentsOf: signature.utf8)
    append(UInt32(0))
    append(revision)
    append(UInt8(0))
    append(text: Identity.oem)
    append(text: Identity.table)
    append(UInt32(1))
    append(text: Identity.creator)
    append(UInt32(1))
  }

  mutating func append<Value: FixedWidthInteger>(_ value: Value) { bytes.append(little: value) }

  mutating func append(text: String) { bytes.append(contentsOf: text.utf8) }

  mutating func append(bytes more: [UInt8]) { bytes.append(contentsOf: more) }

  /// Fills with zeros up to `offset`, where the next field is.
  mutating func skip(to offset: Int) { bytes.pad(to: offset) }

  /// A generic address structure for a port (ACPI 6.5, 5.2.3.2); `accessSize` is 1 for bytes,
  /// 2 for words.
  mutating func append(port: Range<UInt64>, accessSize: UInt8) {
    append(UInt8(1))
    append(UInt8(truncatingIfNeeded: (port.upperBound - port.lowerBound) * 8))
    append(UInt8(0))
    append(accessSize)
    append(port.lowerBound)
  }

  /// The finished table.
  consuming func finish() -> [UInt8] {
    bytes.store(UInt32(truncatingIfNeeded: bytes.count), at: 4)
    bytes[9] = Self.checksum(bytes[...])
    return bytes
  }

  /// The byte that makes the sum of all bytes zero, where the checksum itself is still zero.
  static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt8 { 0 &- bytes.reduce(0, &+) }

  /// Who made the tables.
  enum Identity {
    static let oem = "SWFTVM"
    static let table = "SWIFTVM "
    static let creator = "SWVM"
  }
}
