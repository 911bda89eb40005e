/// A kernel file's bytes, read with every access checked: outside the file there is nil.
struct ImageBytes {
  private let bytes: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var count: Int { bytes.count }

  /// The little-endian integer at `offset`.
  func read<Value: FixedWidthInteger>(_: Value.Type, at offset: Int) -> Value? {
    guard offset >= 0, offset <= count, count - offset >= MemoryLayout<Value>.size else {
      return nil
    }
    return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
  }

  /// The part of the file that a header describes by two numbers of its own.
  func range(offset: UInt64, size: UInt64) -> Range<Int>? {
    let (end, overflow) = offset.addingReportingOverflow(size)
    guard !overflow, end <= UInt64(count), let lower = Int(exactly: offset),
      let upper = Int(exactly: end)
    else { return nil }
    return lower..<upper
  }

  /// A copy of the bytes in `range`, as far as the file has them.
  func copy(_ range: Range<Int>) -> [UInt8] {
    Array(bytes[range.clamped(to: 0..<count)])
  }

  func starts(with prefix: [UInt8], at offset: Int = 0) -> Bool {
    guard offset >= 0, offset <= count, count - offset >= prefix.count else { return false }
    return bytes[offset..<(offset + prefix.count)].elementsEqual(prefix)
  }
}
