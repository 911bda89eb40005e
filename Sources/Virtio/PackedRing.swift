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

  func enableNotifications() -> Bool {
    let flags = usesEventIndex ? EventFlags.descriptor : EventFlags.enable
    GuestWord.store32(deviceEvents, (flags << 16 | UInt32(next.encoded)).littleEndian)
    GuestWord.fence()
    return hasAvailable
  }
}
