import GuestMemory

/// Walks the descriptor lists of a packed ring, and checks them whole before anybody sees a byte
/// (virtio 1.2, 2.8.5 to 2.8.7).
///
/// Each descriptor is fetched once, then checked, then used: the guest may rewrite it meanwhile and
/// changes nothing.
struct PackedChainWalker {
  let memory: GuestMemory
  let table: UnsafeRawPointer
  let tableSize: Int
  let allowsIndirect: Bool

  /// Appends the chain that begins with `head`, in `slot`, and takes up at most `limit` entries.
  /// Returns how many it takes up, or nil, with `list` as it was, when the list has no room left for
  /// it; a chain that no empty list holds is a fault.
  func append(
    _ head: PackedDescriptor, slot: Int, limit: Int, _ direction: BufferDirection,
    to list: ChainBatch
  ) throws(RingViolation) -> Int? {
    let mark = list.mark
    var descriptor = head
    var slot = slot
    var count = 1
    while true {
      guard try append(descriptor, isAlone: count == 1, direction, to: list) else {
        try list.abandonChain(segmentsBefore: mark)
        return nil
      }
      guard descriptor.flags.contains(.next) else { break }
      guard count < limit else { throw .chainTooLong }
      count += 1
      slot = slot + 1 == tableSize ? 0 : slot + 1
      descriptor = PackedDescriptor(table: table, index: slot)
    }
    list.closeChain(id: descriptor.id, entryCount: UInt16(count), direction)
    return count
  }

  private func append(
    _ descriptor: PackedDescriptor, isAlone: Bool, _ direction: BufferDirection,
    to list: ChainBatch
  ) throws(RingViolation) -> Bool {
    guard descriptor.flags.subtracting(.defined).isEmpty else {
      throw .unknownFlags(descriptor.flags.rawValue)
    }
    if descriptor.flags.contains(.indirect) {
      guard isAlone, !descriptor.flags.contains(.next) else { throw .indirectMalformed }
      return try appendTable(descriptor, direction, to: list)
    }
    return try append(buffer: descriptor, direction, to: list)
  }

  /// The entries follow each other; of their flags only WRITE means anything (2.8.7).
  private func appendTable(
    _ descriptor: PackedDescriptor, _ direction: BufferDirection, to list: ChainBatch
  ) throws(RingViolation) -> Bool {
    guard allowsIndirect else { throw .indirectNotNegotiated }
    let table = try memory.indirectTable(at: descriptor.address, length: descriptor.length)
    for index in 0..<table.count {
      let entry = PackedDescriptor(table: table.start, index: index)
      guard try append(buffer: entry, direction, to: list) else { return false }
    }
    return true
  }

  private func append(
    buffer descriptor: PackedDescriptor, _ direction: BufferDirection, to list: ChainBatch
  ) throws(RingViolation) -> Bool {
    guard descriptor.flags.contains(.write) == (direction == .writable) else {
      throw .wrongDirection
    }
    return try list.append(at: descriptor.address, length: descriptor.length, in: memory)
  }
}
