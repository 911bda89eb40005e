import GuestMemory

/// Walks the descriptor chains of a split ring, and checks them whole before anybody sees a byte
/// (virtio 1.2, 2.7.5).
///
/// Each descriptor is fetched once, then checked, then used: the guest may rewrite it meanwhile and
/// changes nothing.
struct SplitChainWalker {
  let memory: GuestMemory
  let table: UnsafeRawPointer
  let tableSize: Int
  let allowsIndirect: Bool

  /// Appends the chain that starts at `head`. Returns false, with `list` as it was, when the list
  /// has no room left for it; a chain that no empty list holds is a fault.
  func append(
    head: UInt16, _ direction: BufferDirection, to list: ChainBatch
  ) throws(RingViolation) -> Bool {
    let mark = list.mark
    guard try walk(table, size: tableSize, from: head, nested: false, direction, into: list) else {
      try list.abandonChain(segmentsBefore: mark)
      return false
    }
    list.closeChain(id: head, entryCount: 1, direction)
    return true
  }

  private func walk(
    _ table: UnsafeRawPointer, size: Int, from start: UInt16, nested: Bool,
    _ direction: BufferDirection, into list: ChainBatch
  ) throws(RingViolation) -> Bool {
    var index = start
    for _ in 0..<size {
      let descriptor = Descriptor(table: table, index: Int(index))
      guard descriptor.flags.subtracting(.defined).isEmpty else {
        throw .unknownFlags(descriptor.flags.rawValue)
      }
      if descriptor.flags.contains(.indirect) {
        guard !nested, !descriptor.flags.contains(.next) else { throw .indirectMalformed }
        return try walkIndirect(descriptor, direction, into: list)
      }
      guard descriptor.flags.contains(.write) == (direction == .writable) else {
        throw .wrongDirection
      }
      guard try list.append(at: descriptor.address, length: descriptor.length, in: memory) else {
        return false
      }
      guard descriptor.flags.contains(.next) else { return true }
      index = descriptor.next
      guard Int(index) < size else { throw .nextOutOfRange(index) }
    }
    throw .chainTooLong
  }

  /// The WRITE flag of a descriptor that refers to a table means nothing (2.7.5.3.2).
  private func walkIndirect(
    _ descriptor: Descriptor, _ direction: BufferDirection, into list: ChainBatch
  ) throws(RingViolation) -> Bool {
    guard allowsIndirect else { throw .indirectNotNegotiated }
    let table = try memory.indirectTable(at: descriptor.address, length: descriptor.length)
    return try walk(
      table.start, size: table.count, from: 0, nested: true, direction, into: list)
  }
}
