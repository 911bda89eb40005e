import GuestMemory

/// A packed virtqueue from the device's side (virtio 1.2, 2.8).
///
/// Chains are completed in the order they became available, so the used entry of each takes the
/// place of its first descriptor, and one position tells both how far the ring is consumed and how
/// far it is used.
final class PackedRing {
  /// What an event suppression structure asks for (2.8.14).
  private enum EventFlags {
    static let enable: UInt32 = 0
    static let disable: UInt32 = 1
    static let descriptor: UInt32 = 2
    static let mask: UInt32 = 3
  }

  private let size: Int
  private let table: UnsafeMutableRawPointer
  private let driverEvents: UnsafeMutableRawPointer
  private let deviceEvents: UnsafeMutableRawPointer
  private let walker: PackedChainWalker
  private let usesEventIndex: Bool

  private var next: PackedPosition
  /// The first used entry since `publish`: it is written last, since the driver looks at the others
  /// only after it.
  private var firstUsed: (entry: UnsafeMutableRawPointer, value: UInt64)?
  /// Slots completed since `publish`.
  private var unpublished = 0

  init(
    _ configuration: QueueConfiguration, features: Features, memory: GuestMemory, start: UInt16?
  ) throws(RingViolation) {
    let size = configuration.size
    guard size > 0, size <= configuration.maximumSize, size <= 1 << 15 else {
      throw .invalidSize(size)
    }
    self.size = Int(size)
    table = try memory.ringPart(
      .descriptorTable, at: configuration.descriptorTable,
      count: Int(size) * PackedDescriptor.stride, alignment: 16)
    driverEvents = try memory.ringPart(
      .driverEvents, at: configuration.availableRing, count: 4, alignment: 4)
    deviceEvents = try memory.ringPart(
      .deviceEvents, at: configuration.usedRing, count: 4, alignment: 4)
    walker = PackedChainWalker(
      memory: memory, table: table, tableSize: Int(size),
      allowsIndirect: features.contains(.indirectDescriptors))
    usesEventIndex = features.contains(.eventIndex)
    next = start.map(PackedPosition.init(encoded:)) ?? .start
    guard next.slot < self.size else { throw .invalidSize(size) }
  }

  /// The first descriptor of the chain at `position`, if there is one.
  private func head(at position: PackedPosition) -> PackedDescriptor? {
    let descriptor = PackedDescriptor(table: table, index: position.slot)
    return descriptor.isAvailable(wrapCounter: position.wrapCounter) ? descriptor : nil
  }

  var hasAvailable: Bool { head(at: next) != nil }

  func availableCount() -> Int {
    var position = next
    var left = size
    var chains = 0
    while left > 0, var descriptor = head(at: position) {
      chains += 1
      while true {
        position.advance(by: 1, ringSize: size)
        left -= 1
        guard left > 0, descriptor.flags.contains(.next) else { break }
        descriptor = PackedDescriptor(table: table, index: position.slot)
      }
    }
    return chains
  }

  func gather(
    _ direction: BufferDirection, into list: ChainBatch, byteLimit: Int
  ) throws(RingViolation) {
    var position = next
    var left = size
    while left > 0, !list.isFull(byteLimit: byteLimit) {
      guard let head = head(at: position),
        let count = try walker.append(
          head, slot: position.slot, limit: left, direction, to: list)
      else { return }
      position.advance(by: count, ringSize: size)
      left -= count
    }
  }

  func complete(_ chain: ChainBatch.Chain, written: UInt32) {
    let entry = table + next.slot &* PackedDescriptor.stride + 8
    let value = PackedDescriptor.used(
      id: chain.id, written: written, wrapCounter: next.wrapCounter)
    if firstUsed == nil {
      firstUsed = (entry, value)
    } else {
      GuestWord.store64(entry, value.littleEndian)
    }
    next.advance(by: Int(chain.entryCount), ringSize: size)
    unpublished += Int(chain.entryCount)
  }

  func publish() -> Bool {
    guard let (entry, value) = firstUsed else { return false }
    GuestWord.storeRelease64(entry, value.littleEndian)
    firstUsed = nil
    let count = unpublished
    unpublished = 0
    GuestWord.fence()
    let wish = UInt32(littleEndian: GuestWord.load32(driverEvents))
    switch wish >> 16 & EventFlags.mask {
    case EventFlags.disable: return false
    case EventFlags.descriptor where usesEventIndex:
      let event = PackedPosition(encoded: UInt16(truncatingIfNeeded: wish))
      return next.hasPassed(event, within: count, ringSize: size)
    default: return true
    }
  }

  func disableNotifications() {
    GuestWord.store32(deviceEvents, (EventFlags.disable << 16).littleEndian)
  }

  func enableNotifications(after skipped: UInt16) -> Bool {
    let flags = usesEventIndex ? EventFlags.descriptor : EventFlags.enable
    var event = next
    event.advance(by: min(Int(skipped), size / 4), ringSize: size)
    GuestWord.store32(deviceEvents, (flags << 16 | UInt32(event.encoded)).littleEndian)
    GuestWord.fence()
    return hasAvailable
  }
}

/// Walks the descriptor lists of a packed ring, and checks them whole before anybody sees a byte
/// (virtio 1.2, 2.8.5 to 2.8.7).
///
/// Each descriptor is fetched once, then checked, then used: the guest may rewrite it in between and
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

/// One entry of a packed ring or of its indirect tables, fetched from guest memory once (virtio 1.2,
/// 2.8.1 and 2.8.13).
struct PackedDescriptor {
  static let stride = 16

  let address: UInt64
  let length: UInt32
  let id: UInt16
  let flags: Flags

  struct Flags: OptionSet {
    let rawValue: UInt16
    /// The chain goes on in the next entry.
    static let next = Flags(rawValue: 1)
    /// The device writes the buffer; in a used entry, the device has written something.
    static let write = Flags(rawValue: 2)
    /// The buffer is a table of descriptors.
    static let indirect = Flags(rawValue: 4)
    /// The driver's mark: its wrap counter when the entry was made available.
    static let available = Flags(rawValue: 1 << 7)
    /// The device's mark: equal to the driver's once the entry is used.
    static let used = Flags(rawValue: 1 << 15)
    static let defined: Flags = [.next, .write, .indirect, .available, .used]
  }

  /// Fetches entry `index`, which lies in the table. What the driver wrote before the flags is seen
  /// as it was then, or newer.
  init(table: UnsafeRawPointer, index: Int) {
    let entry = table + index &* Self.stride
    let rest = UInt64(littleEndian: GuestWord.loadAcquire64(entry + 8))
    length = UInt32(truncatingIfNeeded: rest)
    id = UInt16(truncatingIfNeeded: rest >> 32)
    flags = Flags(rawValue: UInt16(truncatingIfNeeded: rest >> 48))
    address = UInt64(littleEndian: GuestWord.load64(entry))
  }

  /// Whether the driver has made it available in a lap with this wrap counter (2.8.1).
  func isAvailable(wrapCounter: Bool) -> Bool {
    flags.contains(.available) == wrapCounter && flags.contains(.used) != wrapCounter
  }

  /// The second half of a used entry: how many bytes were written, in which buffer, and both marks
  /// as the device's wrap counter has them (2.8.6, 2.8.8).
  static func used(id: UInt16, written: UInt32, wrapCounter: Bool) -> UInt64 {
    var flags: Flags = wrapCounter ? [.available, .used] : []
    if written > 0 { flags.insert(.write) }
    return UInt64(written) | UInt64(id) << 32 | UInt64(flags.rawValue) << 48
  }
}

/// A place in a packed ring: the slot, and the wrap counter, which tells one lap from the next
/// (virtio 1.2, 2.8.1).
struct PackedPosition: Equatable {
  private(set) var slot: Int
  private(set) var wrapCounter: Bool

  /// The ring's beginning, in the first lap.
  static let start = PackedPosition(encoded: 0x8000)

  /// As event suppression structures have it: the slot, and the wrap counter in bit 15 (2.8.14).
  init(encoded: UInt16) {
    slot = Int(encoded & 0x7fff)
    wrapCounter = encoded & 0x8000 != 0
  }

  var encoded: UInt16 {
    UInt16(truncatingIfNeeded: slot) | (wrapCounter ? 0x8000 : 0)
  }

  /// Moves on by `count` slots, at most `size`.
  mutating func advance(by count: Int, ringSize size: Int) {
    slot += count
    guard slot >= size else { return }
    slot -= size
    wrapCounter.toggle()
  }

  /// Whether `other` is one of the last `count` slots before this place.
  func hasPassed(_ other: PackedPosition, within count: Int, ringSize size: Int) -> Bool {
    let slot = other.wrapCounter == wrapCounter ? other.slot : other.slot - size
    return slot < self.slot && slot >= self.slot - count
  }
}
