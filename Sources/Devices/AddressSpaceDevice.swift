/// What answers accesses in a range of port or memory-mapped addresses.
///
/// Called on vCPU threads, several at once; an implementation has its own lock. `width` is 1, 2, 4
/// or 8 bytes and `offset + width` never exceeds the range's size.
package protocol AddressSpaceDevice: AnyObject, Sendable {
  /// The value read; bits above `width` bytes are ignored.
  func read(offset: UInt64, width: Int) -> UInt64
  /// Bits of `value` above `width` bytes are zero.
  func write(offset: UInt64, width: Int, value: UInt64)
}
