/// Answers the guest's accesses to ports and to addresses without memory.
///
/// Called on vCPU threads, several at once. Must not wait for anything but short locks.
package protocol VCPUExitHandler: AnyObject, Sendable {
  /// The value read from a port; `width` is 1, 2 or 4 bytes, and bits above it are ignored.
  func portRead(port: UInt16, width: Int) -> UInt32
  /// A write to a port; bits of `value` above `width` bytes are zero.
  func portWrite(port: UInt16, width: Int, value: UInt32)
  /// The value read at a guest-physical address; `width` is 1, 2, 4 or 8 bytes, not necessarily
  /// aligned, and bits above it are ignored.
  func mmioRead(address: UInt64, width: Int) -> UInt64
  /// A write at a guest-physical address; bits of `value` above `width` bytes are zero.
  func mmioWrite(address: UInt64, width: Int, value: UInt64)
}
