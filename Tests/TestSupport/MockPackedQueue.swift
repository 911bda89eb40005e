import GuestMemory
import Virtio

/// A guest driver's side of one packed virtqueue, over plain guest memory; honest by default, with
/// raw access for tests that are not.
///
/// Positions count slots from the beginning of the first lap; the wrap counter is one in its even
/// laps.
package final class MockPackedQueue: DriverQueue {
  package typealias Buffer = MockQueue.Buffer

  package let memory: GuestMemory
  package let size: UInt16
  /// Where the three parts of the ring lie.
  package let descriptorTable: UInt64
  package let driverEvents: UInt64
  package let deviceEvents: UInt64

  private let usesEventIndex: Bool
  private var available: Int
  private var used: Int
  private var kicked: Int
  private var outstanding: [UInt16: Int] = [:]
  private var nextID: UInt16 = 0xfff0

  /// Lays the ring out from `base` on, and fills it as a driver does whose ring stands at `start`:
  /// the slot, and in bit 15 the wrap counter.
  package init(
    memory: GuestMemory, base: UInt64, size: UInt16, start: UInt16 = 0x8000,
    usesEventIndex: Bool = false
  ) {
    self.memory = memory
    self.size = size
    self.usesEventIndex = usesEventIndex
    descriptorTable = base
    driverEvents = base + 16 * UInt64(size)
    deviceEvents = driverEvents + 4
    let slot = Int(start & 0x7fff)
    available = slot + Int(size) * (start & 0x8000 != 0 ? 2 : 1)
    used = available
    kicked = available
    // What was published and used in the lap before.
    for position in (available - Int(size))..<available {
      store(marks(position, isUsed: true), entry(position) + 14)
    }
    store(UInt64(0), driverEvents)
  }

  package func configuration(maximumSize: UInt16) -> QueueConfiguration {
    var configuration = QueueConfiguration(maximumSize: maximumSize)
    configuration.size = size
    configuration.descriptorTable = descriptorTable
    configuration.availableRing = driverEvents
    configuration.usedRing = deviceEvents
    return configuration
  }

  // MARK: Chains

  @discardableResult
  package func publish(_ buffers: [Buffer]) -> UInt16 {
    let id = takeID(entries: buffers.count)
    // Backwards, since the flags of the first entry give the chain away.
    for (offset, buffer) in buffers.enumerated().reversed() {
      let next: UInt16 = offset == buffers.count - 1 ? 0 : 1
      writeAvailable(
        available + offset, address: buffer.address, length: buffer.length, id: id,
        flags: next | (buffer.isWritable ? 2 : 0) | buffer.extraFlags)
    }
    available += buffers.count
    return id
  }

  @discardableResult
  package func publishIndirect(_ buffers: [Buffer], table: UInt64) -> UInt16 {
    for (offset, buffer) in buffers.enumerated() {
      writeDescriptor(
        UInt16(offset), address: buffer.address, length: buffer.length, id: 0,
        flags: (buffer.isWritable ? 2 : 0) | buffer.extraFlags, table: table)
    }
    let id = takeID(entries: 1)
    writeAvailable(
      available, address: table, length: UInt32(16 * buffers.count), id: id, flags: 4)
    available += 1
    return id
  }

  package func takeUsed() -> [(id: UInt32, length: UInt32)] {
    var taken: [(id: UInt32, length: UInt32)] = []
    while used < available, flags(at: used) & 0x8080 == marks(used, isUsed: true) {
      let id = load(entry(used) + 12, UInt16.self)
      taken.append((UInt32(id), load(entry(used) + 8, UInt32.self)))
      // An ID that was not outstanding is the device's fault; the test will see it.
      used += outstanding.removeValue(forKey: id) ?? 1
    }
    return taken
  }

  /// Any value may be an ID; these meet neither slots nor each other.
  private func takeID(entries: Int) -> UInt16 {
    nextID &+= 7919
    outstanding[nextID] = entries
    return nextID
  }

  // MARK: Notifications

  package func setWantsInterrupts(_ wanted: Bool) { setDriverEvents(flags: wanted ? 0 : 1) }

  package func askForInterrupt(at distance: Int) {
    setDriverEvents(flags: 2, position: encoded(max(0, used + distance)))
  }

  package func takeKick() -> Bool {
    let old = kicked
    kicked = available
    switch deviceEventFlags {
    case 1: return false
    case 2 where usesEventIndex:
      let event = deviceEventPosition
      let slot = Int(event & 0x7fff)
      let lap = available / Int(size) - (event >> 15 == encoded(available) >> 15 ? 0 : 1)
      let position = lap * Int(size) + slot
      return position >= old && position < available
    default: return true
    }
  }

  /// Writes the driver's event suppression structure.
  package func setDriverEvents(flags: UInt16, position: UInt16 = 0) {
    store(position, driverEvents)
    store(flags, driverEvents + 2)
  }

  /// The device's event suppression structure.
  package var deviceEventPosition: UInt16 { load(deviceEvents, UInt16.self) }
  package var deviceEventFlags: UInt16 { load(deviceEvents + 2, UInt16.self) }

  // MARK: Raw fields

  /// The flags in a slot of the ring.
  package func flags(inSlot slot: UInt16) -> UInt16 {
    load(descriptorTable + 16 * UInt64(slot) + 14, UInt16.self)
  }

  package func writeDescriptor(
    _ index: UInt16, address: UInt64, length: UInt32, id: UInt16, flags: UInt16,
    table: UInt64? = nil
  ) {
    let entry = (table ?? descriptorTable) + 16 * UInt64(index)
    store(address, entry)
    store(length, entry + 8)
    store(id, entry + 12)
    store(flags, entry + 14)
  }

  private func writeAvailable(
    _ position: Int, address: UInt64, length: UInt32, id: UInt16, flags: UInt16
  ) {
    writeDescriptor(
      UInt16(position % Int(size)), address: address, length: length, id: id,
      flags: flags | marks(position, isUsed: false))
  }

  private func marks(_ position: Int, isUsed: Bool) -> UInt16 {
    let wrapCounter = encoded(position) >> 15 == 1
    return (wrapCounter ? 0x80 : 0) | (wrapCounter == isUsed ? 0x8000 : 0)
  }

  private func encoded(_ position: Int) -> UInt16 {
    let isOdd = position / Int(size) % 2 == 1
    return UInt16(position % Int(size)) | (isOdd ? 0 : 0x8000)
  }

  private func entry(_ position: Int) -> UInt64 {
    descriptorTable + 16 * UInt64(position % Int(size))
  }

  private func flags(at position: Int) -> UInt16 { load(entry(position) + 14, UInt16.self) }

  private func load<T: FixedWidthInteger & BitwiseCopyable>(_ address: UInt64, _: T.Type) -> T {
    (try? memory.load(address, as: T.self)) ?? 0
  }

  private func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, _ address: UInt64) {
    try? memory.store(value, at: address)
  }
}
