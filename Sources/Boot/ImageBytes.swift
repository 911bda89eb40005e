/// A kernel file's bytes, read with every access checked: outside the file there is nil.
///
/// Each access reads anew, since another program may write to the file at the same time: what is
/// judged is a copy.
package struct ImageBytes {
  let count: Int
  private let fetch: (_ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) -> Bool

  /// - Parameters:
  ///   - count: the file's size in bytes.
  ///   - fetch: fills a buffer with the bytes from an offset on, all of them in the file; says whether
  ///     that could be done.
  package init(
    count: Int, fetch: @escaping (_ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) -> Bool
  ) {
    self.count = count
    self.fetch = fetch
  }

  /// The little-endian integer at `offset`.
  func read<Value: FixedWidthInteger>(_: Value.Type, at offset: Int) -> Value? {
    guard offset >= 0, offset <= count, count - offset >= MemoryLayout<Value>.size else {
      return nil
    }
    var value: Value = 0
    guard withUnsafeMutableBytes(of: &value, { fetch(offset, $0) }) else { return nil }
    return Value(littleEndian: value)
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
    let range = range.clamped(to: 0..<count)
    var bytes = [UInt8](repeating: 0, count: range.count)
    return bytes.withUnsafeMutableBytes { fetch(range.lowerBound, $0) } ? bytes : []
  }

  func starts(with prefix: [UInt8], at offset: Int = 0) -> Bool {
    guard offset >= 0, offset <= count, count - offset >= prefix.count else { return false }
    return copy(offset..<(offset + prefix.count)) == prefix
  }
}
