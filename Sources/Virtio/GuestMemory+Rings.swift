import GuestMemory

extension GuestMemory {
  /// Where this process sees one part of a ring, once its address is checked.
  func ringPart(
    _ part: RingViolation.RingPart, at address: UInt64, count: Int, alignment: UInt64
  ) throws(RingViolation) -> UnsafeMutableRawPointer {
    guard address % alignment == 0 else { throw .misaligned(part: part, address: address) }
    do { return try pointer(at: address, count: UInt64(count)) } catch {
      throw .ringOutsideMemory(part: part, address: address)
    }
  }

  /// A table that an indirect descriptor refers to: its first entry, and how many it has (virtio
  /// 1.2, 2.7.5.3 and 2.8.7). It may be longer than the ring, which drivers rely on.
  func indirectTable(
    at address: UInt64, length: UInt32
  ) throws(RingViolation) -> (start: UnsafeRawPointer, count: Int) {
    let count = Int(length) / Descriptor.stride
    guard count > 0, count <= ChainBatch.capacity, Int(length) % Descriptor.stride == 0,
      let start = try? pointer(at: address, count: UInt64(length))
    else { throw .indirectTableInvalid(address: address, length: length) }
    return (UnsafeRawPointer(start), count)
  }
}
