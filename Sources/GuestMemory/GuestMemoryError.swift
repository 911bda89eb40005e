/// Why an access to guest memory was refused.
public enum GuestMemoryError: Error, Equatable, Sendable {
  /// The `count` bytes at guest-physical `address` do not lie in one region of RAM.
  case outOfRange(address: UInt64, count: UInt64)
}
