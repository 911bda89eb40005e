import GuestMemory
import Virtio

/// A guest driver's side of one split virtqueue, over plain guest memory; honest by default, with
/// raw access for tests that are not.
package final class MockQueue: DriverQueue {
  /// A buffer of a chain to be made available.
  package struct Buffer {
    package var address: UInt64
    package var length: UInt32
    package var isWritable: Bool
    /// Flags set besides NEXT and WRITE.
    package var extraFlags: UInt16 = 0

    package init(_ address: UInt64, _ length: Int, writable: Bool = false) {
      self.address = address
      self.length = UInt32(length)
      isWritable = writable
    }
  }

  package let memory: GuestMemory
  package let size: UInt16
  /// Where the three parts of the ring lie.
  package let descriptorTable: UInt64
  package let availableRing: UInt64
  package let usedRing: UInt64

  /// The available index as last published.
  package private(set) var availableIndex: UInt16
  private let usesEventIndex: Bool
  private var nextDescriptor: UInt16 = 0
  private var seenUsed: UInt16
  private var kicked: UInt16

  /// Lays the ring out from `base` (4096 bytes for sizes up to 64, 8192 up to 256), empty, with both
  /// indexes at `startIndex`.
  package init(
    memory: GuestMemory, base: UInt64, size: UInt16, startIndex: UInt16 = 0,
    usesEventIndex: Bool = false
  ) {
    self.memory = memory
    self.size = size
    self.usesEventIndex = usesEventIndex
    descriptorTable = base
    availableRing = base + 16 * UInt64(size)
    usedRing = (availableRing + 6 + 2 * UInt64(size) + 3) & ~3
    availableIndex = startIndex
    seenUsed = startIndex
    kicked = startIndex
    store(UInt32(startIndex) << 16, availableRing)
    store(UInt32(startIndex) << 16, usedRing)
  }

  /// What the driver would write to the transport's registers.
  package func configuration(maximumSize: UInt16) -> QueueConfiguration {
    var configuration = QueueConfiguration(maximumSize: maximumSize)
    configuration.size = size
    configuration.descriptorTable = descriptorTable
    configuration.availableRing = availableRing
    configuration.usedRing = usedRing
    return configuration
  }

  @discardableResult
  package func publish(_ buffers: [Buffer]) -> UInt16 {
    let head = nextDescriptor
    for (position, buffer) in buffers.enumerated() {
      let index = (head &+ UInt16(position)) % size
      let isLast = position == buffers.count - 1
      writeDescriptor(
        index, address: buffer.address, length: buffer.length,
        flags: (isLast ? 0 : 1) | (buffer.isWritable ? 2 : 0) | buffer.extraFlags,
        next: isLast ? 0 : (index + 1) % size)
    }
    nextDescriptor = (head &+ UInt16(max(buffers.count, 1))) % size
    publish(head: head)
    return head
  }

  @discardableResult
  package func publishIndirect(_ buffers: [Buffer], table: UInt64) -> UInt16 {
    for (position, buffer) in buffers.enumerated() {
      let isLast = position == buffers.count - 1
      writeDescriptor(
        UInt16(position), address: buffer.address, length: buffer.length,
        flags: (isLast ? 0 : 1) | (buffer.isWritable ? 2 : 0) | buffer.extraFlags,
        next: UInt16(isLast ? 0 : position + 1), table: table)
    }
    let head = nextDescriptor
    writeDescriptor(
      head, address: table, length: UInt32(16 * buffers.count), flags: 4, next: 0)
    nextDescriptor = (head + 1) % size
    publish(head: head)
    return head
  }

  /// Puts `head` in the available ring and moves the index on.
  package func publish(head: UInt16) {
    writeAvailable(slot: availableIndex % size, head: head)
    setAvailableIndex(availableIndex &+ 1)
  }

  package func takeUsed() -> [(id: UInt32, length: UInt32)] {
    var taken: [(id: UInt32, length: UInt32)] = []
    while seenUsed != usedIndex {
      let entry = usedRing + 4 + 8 * UInt64(seenUsed % size)
      taken.append((load(entry, UInt32.self), load(entry + 4, UInt32.self)))
      seenUsed &+= 1
    }
    return taken
  }

  // MARK: Notifications

  package func setWantsInterrupts(_ wanted: Bool) { setAvailableFlags(wanted ? 0 : 1) }

  package func askForInterrupt(at distance: Int) {
    setUsedEvent(seenUsed &+ UInt16(truncatingIfNeeded: distance))
  }

  package func takeKick() -> Bool {
    let old = kicked
    kicked = availableIndex
    guard usesEventIndex else { return usedFlags & 1 == 0 }
    return availableIndex &- availableEvent &- 1 < availableIndex &- old
  }

  // MARK: Raw fields

  package var usedIndex: UInt16 { load(usedRing + 2, UInt16.self) }
  package var usedFlags: UInt16 { load(usedRing, UInt16.self) }
  package var availableEvent: UInt16 { load(usedRing + 4 + 8 * UInt64(size), UInt16.self) }

  package func setUsedEvent(_ index: UInt16) { store(index, availableRing + 4 + 2 * UInt64(size)) }
  package func setAvailableFlags(_ flags: UInt16) { store(flags, availableRing) }

  package func setAvailableIndex(_ index: UInt16) {
    availableIndex = index
    store(index, availableRing + 2)
  }

  package func writeAvailable(slot: UInt16, head: UInt16) {
    store(head, availableRing + 4 + 2 * UInt64(slot))
  }

  package func writeDescriptor(
    _ index: UInt16, address: UInt64, length: UInt32, flags: UInt16, next: UInt16,
    table: UInt64? = nil
  ) {
    let entry = (table ?? descriptorTable) + 16 * UInt64(index)
    store(address, entry)
    store(length, entry + 8)
    store(flags, entry + 12)
    store(next, entry + 14)
  }

  private func load<T: FixedWidthInteger & BitwiseCopyable>(_ address: UInt64, _: T.Type) -> T {
    (try? memory.load(address, as: T.self)) ?? 0
  }

  private func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, _ address: UInt64) {
    try? memory.store(value, at: address)
  }
}

extension GuestMemory {
  /// Bytes of guest memory, empty where there is none.
  package func bytes(at address: UInt64, count: Int) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    let ok: Void? = result.withUnsafeMutableBytes { try? read(address, into: $0) }
    return ok == nil ? [] : result
  }

  /// Puts bytes into guest memory.
  package func put(_ bytes: [UInt8], at address: UInt64) {
    bytes.withUnsafeBytes { try? write($0, at: address) }
  }
}
