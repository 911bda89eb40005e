/// Binary structures in memory, little-endian as x86 needs them.
extension [UInt8] {
  /// The bytes of the integers, one after the other.
  init(little values: any FixedWidthInteger...) {
    self = []
    for value in values { append(little: value) }
  }

  mutating func append(little value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  /// Overwrites the bytes from `offset` on, which must lie inside the array.
  mutating func store(_ value: some FixedWidthInteger, at offset: Int) {
    Swift.withUnsafeBytes(of: value.littleEndian) {
      replaceSubrange(offset..<(offset + $0.count), with: $0)
    }
  }

  /// The integer at `offset`; bytes beyond the end count as zero.
  func little<Value: FixedWidthInteger>(at offset: Int) -> Value {
    (0..<MemoryLayout<Value>.size).reduce(0) { value, index in
      guard indices.contains(offset + index) else { return value }
      return value | Value(truncatingIfNeeded: self[offset + index]) << (8 * index)
    }
  }

  /// Appends zeros up to `size`.
  mutating func pad(to size: Int) {
    guard size > count else { return }
    append(contentsOf: repeatElement(0, count: size - count))
  }
}

extension Sequence<UInt8> {
  /// The byte that makes the sum of all bytes zero, while the checksum itself is still zero.
  var checksum: UInt8 { 0 &- reduce(0, &+) }
}

extension UInt64 {
  /// `alignment` must be a power of two; nil if the result does not fit.
  func alignedUp(to alignment: UInt64) -> UInt64? {
    let (sum, overflow) = addingReportingOverflow(alignment &- 1)
    return overflow ? nil : sum.alignedDown(to: alignment)
  }

  /// `alignment` must be a power of two.
  func alignedDown(to alignment: UInt64) -> UInt64 { self & ~(alignment &- 1) }
}

extension Range<UInt64> {
  /// Bytes from the lower to the upper bound.
  var size: UInt64 { upperBound - lowerBound }
}
