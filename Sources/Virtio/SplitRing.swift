import GuestMemory

/// A split virtqueue from the device's side (virtio 1.2, 2.7).
///
/// Chains are completed in the order they became available, so one index tells both how far the
/// available ring is consumed and how far the used ring is written.
final class SplitRing {
  private let size: UInt16
  private let available: UnsafeMutableRawPointer
  private let used: UnsafeMutableRawPointer
  private let walker: SplitChainWalker
  private let usesEventIndex: Bool

  /// The next entry of either ring; modulo 2^16.
  private var next: UInt16
  /// The used index as the driver knows it.
  private var published: UInt16

  init(
    _ configuration: QueueConfiguration, features: Features, memory: GuestMemory, start: UInt16?
  ) throws(RingViolation) {
    let size = configuration.size
    guard size > 0, size <= configuration.maximumSize, size & (size &- 1) == 0 else {
      throw .invalidSize(size)
    }
    let count = Int(size)
    let table = try memory.ringPart(
      .descriptorTable, at: configuration.descriptorTable, count: count * Descriptor.stride,
      alignment: 16)
    available = try memory.ringPart(
      .availableRing, at: configuration.availableRing, count: 6 + 2 * count, alignment: 2)
    used = try memory.ringPart(
      .usedRing, at: configuration.usedRing, count: 6 + 8 * count, alignment: 4)
    walker = SplitChainWalker(
      memory: memory, table: table, tableSize: count,
      allowsIndirect: features.contains(.indirectDescriptors))
    usesEventIndex = features.contains(.eventIndex)
    self.size = size
    next = start ?? 0
    published = next
  }

  func availableCount() throws(RingViolation) -> Int {
    let index = UInt16(littleEndian: GuestWord.loadAcquire16(available + 2))
    let count = index &- next
    guard count <= size else { throw .availableIndexJump(from: next, to: index) }
    return Int(count)
  }

  func gather(
    _ direction: BufferDirection, into list: ChainBatch, byteLimit: Int
  ) throws(RingViolation) {
    for offset in 0..<(try availableCount()) {
      guard !list.isFull(byteLimit: byteLimit) else { return }
      let slot = Int((next &+ UInt16(offset)) & (size &- 1))
      let head = UInt16(littleEndian: GuestWord.load16(available + 4 + 2 * slot))
      guard head < size else { throw .headOutOfRange(head) }
      guard try walker.append(head: head, direction, to: list) else { return }
    }
  }

  func complete(_ chain: ChainBatch.Chain, written: UInt32) {
    let entry = used + 4 + 8 * Int(next & (size &- 1))
    GuestWord.store32(entry, UInt32(chain.id).littleEndian)
    GuestWord.store32(entry + 4, written.littleEndian)
    next = next &+ 1
  }

  func publish() -> Bool {
    guard next != published else { return false }
    let old = published
    GuestWord.storeRelease16(used + 2, next.littleEndian)
    published = next
    GuestWord.fence()
    guard usesEventIndex else {
      return UInt16(littleEndian: GuestWord.load16(available)) & 1 == 0
    }
    let event = UInt16(littleEndian: GuestWord.load16(available + 4 + 2 * Int(size)))
    return next &- event &- 1 < next &- old
  }

  func disableNotifications() {
    guard !usesEventIndex else { return }  // an index that stays behind asks for none
    GuestWord.store16(used, UInt16(1).littleEndian)
  }

  func enableNotifications(after skipped: UInt16) throws(RingViolation) -> Bool {
    if usesEventIndex {
      let event = next &+ min(skipped, size / 4)
      GuestWord.store16(used + 4 + 8 * Int(size), event.littleEndian)
    } else {
      GuestWord.store16(used, 0)
    }
    GuestWord.fence()
    return try availableCount() > 0
  }
}

/// Walks the descriptor chains of a split ring, and checks them whole before anybody sees a byte
/// (virtio 1.2, 2.7.5).
///
/// Each descriptor is fetched once, then checked, then used: the guest may rewrite it in between and
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

/// One entry of a descriptor table, fetched from guest memory once (virtio 1.2, 2.7.5).
struct Descriptor {
  static let stride = 16

  let address: UInt64
  let length: UInt32
  let flags: Flags
  let next: UInt16

  struct Flags: OptionSet {
    let rawValue: UInt16
    /// The chain goes on at `next`.
    static let next = Flags(rawValue: 1)
    /// The device writes the buffer; otherwise it reads it.
    static let write = Flags(rawValue: 2)
    /// The buffer is a table of descriptors.
    static let indirect = Flags(rawValue: 4)
    static let defined: Flags = [.next, .write, .indirect]
  }

  /// Fetches entry `index`; the caller has checked that it lies in the table.
  init(table: UnsafeRawPointer, index: Int) {
    let entry = table + index &* Self.stride
    address = UInt64(littleEndian: GuestWord.load64(entry))
    let rest = UInt64(littleEndian: GuestWord.load64(entry + 8))
    length = UInt32(truncatingIfNeeded: rest)
    flags = Flags(rawValue: UInt16(truncatingIfNeeded: rest >> 32))
    next = UInt16(truncatingIfNeeded: rest >> 48)
  }
}
