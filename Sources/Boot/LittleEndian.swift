/// Building binary structures in memory, little-endian as x86 wants them.
extension [UInt8] {
  mutating func append<Value: FixedWidthInteger>(little value: Value) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  /// Overwrites the bytes from `offset` on, which must lie inside the array.
  mutating func store<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
    Swift.withUnsafeBytes(of: value.littleEndian) {
      replaceSubrange(offset..<(offset + $0.count), with: $0)
    }
  }

  mutating func pad(to size: Int) {
    guard size > count else { return }
    append(contentsOf: repeatElement(0, count: size - count))
  }
}

extension UInt64 {
  /// `alignment` must be a power of two; nil where the result would not fit.
  func alignedUp(to alignment: UInt64) -> UInt64? {
    let (sum, overflow) = addingReportingOverflow(alignment &- 1)
    return overflow ? nil : sum.alignedDown(to: alignment)
  }

  /// `alignment` must be a power of two.
  func alignedDown(to alignment: UInt64) -> UInt64 { self & ~(alignment &- 1) }
}
