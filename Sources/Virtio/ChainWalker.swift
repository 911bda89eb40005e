import GuestMemory

/// Which way a queue's buffers go, seen from the device.
package enum BufferDirection: Sendable {
  /// The device reads them: a transmit queue.
  case readable
  /// The device writes them: a receive queue.
  case writable
}

/// Walks descriptor chains and checks them whole before anybody sees a byte.
///
/// Each descriptor is fetched once, then checked, then used: the guest may rewrite it meanwhile and
/// changes nothing. Zero-length buffers are passed over.
struct ChainWalker {
  let memory: GuestMemory
  let table: UnsafeRawPointer
  let tableSize: Int
  let direction: BufferDirection
  let allowsIndirect: Bool

  /// Appends the chain that starts at `head`. Returns false, with `list` as it was, when the list
  /// has no room left for it; a chain that no empty list holds is a fault.
  func append(head: UInt16, to list: SegmentList) throws(RingViolation) -> Bool {
    let mark = list.mark
    var total: UInt64 = 0
    guard try walk(table, size: tableSize, from: head, nested: false, into: list, total: &total)
    else {
      list.abandonChain(segmentsBefore: mark)
      guard mark > 0 else { throw .chainTooLong }
      return false
    }
    list.closeChain(id: head, entryCount: 1)
    return true
  }

  private func walk(
    _ table: UnsafeRawPointer, size: Int, from start: UInt16, nested: Bool,
    into list: SegmentList, total: inout UInt64
  ) throws(RingViolation) -> Bool {
    var index = start
    for _ in 0..<size {
      let descriptor = Descriptor(table: table, index: Int(index))
      guard descriptor.flags.subtracting(.defined).isEmpty else {
        throw .unknownFlags(descriptor.flags.rawValue)
      }
      if descriptor.flags.contains(.indirect) {
        guard !nested, !descriptor.flags.contains(.next) else { throw .indirectMalformed }
        return try walkIndirect(descriptor, into: list, total: &total)
      }
      guard try append(descriptor, to: list, total: &total) else { return false }
      guard descriptor.flags.contains(.next) else { return true }
      index = descriptor.next
      guard Int(index) < size else { throw .nextOutOfRange(index) }
    }
    throw .chainTooLong
  }

  /// The WRITE flag of a descriptor that refers to a table means nothing (2.7.5.3.2).
  private func walkIndirect(
    _ descriptor: Descriptor, into list: SegmentList, total: inout UInt64
  ) throws(RingViolation) -> Bool {
    guard allowsIndirect else { throw .indirectNotNegotiated }
    let count = Int(descriptor.length) / Descriptor.stride
    guard count > 0, count <= SegmentList.capacity,
      Int(descriptor.length) % Descriptor.stride == 0,
      let table = try? memory.pointer(at: descriptor.address, count: UInt64(descriptor.length))
    else {
      throw .indirectTableInvalid(address: descriptor.address, length: descriptor.length)
    }
    return try walk(table, size: count, from: 0, nested: true, into: list, total: &total)
  }

  private func append(
    _ descriptor: Descriptor, to list: SegmentList, total: inout UInt64
  ) throws(RingViolation) -> Bool {
    guard descriptor.flags.contains(.write) == (direction == .writable) else {
      throw .wrongDirection
    }
    guard descriptor.length > 0 else { return true }
    total &+= UInt64(descriptor.length)
    guard total <= 1 << 32 else { throw .chainTooLarge }
    let pointer: UnsafeMutableRawPointer
    do {
      pointer = try memory.pointer(at: descriptor.address, count: UInt64(descriptor.length))
    } catch {
      throw .bufferOutsideMemory(address: descriptor.address, length: descriptor.length)
    }
    return list.append(pointer, count: Int(descriptor.length))
  }
}
