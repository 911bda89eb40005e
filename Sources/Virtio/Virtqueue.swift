import GuestMemory

/// The device's side of one enabled split virtqueue (virtio 1.2, 2.7).
///
/// Chains are looked at first (`gather`) and given back later (`complete`, `publish`); what was
/// only gathered stays available, and is looked at again next time. So a buffer that could be
/// passed on in part only needs no memory of ours.
///
/// The rings' addresses are checked once, here; indexes and descriptors are fetched once each and
/// checked at every use. Belongs to its device's lock.
package final class Virtqueue {
  /// The queue's number in its device.
  package let index: Int

  private let size: UInt16
  private let available: UnsafeMutableRawPointer
  private let used: UnsafeMutableRawPointer
  private let walkers: (readable: ChainWalker, writable: ChainWalker)
  private let usesEventIndex: Bool

  /// The next entry of the available ring to be consumed; modulo 2^16.
  private var nextAvailable: UInt16
  /// Entries written to the used ring; modulo 2^16.
  private var nextUsed: UInt16
  /// The used index as the driver knows it.
  private var publishedUsed: UInt16

  /// Checks the driver's choices and resolves the rings' addresses.
  ///
  /// - Parameter startIndex: where both rings' indexes stand; other than zero only for a queue that
  ///   is taken over in mid-life.
  package init(
    index: Int, configuration: QueueConfiguration, features: Features, memory: GuestMemory,
    startIndex: UInt16 = 0
  ) throws(QueueFault) {
    let size = configuration.size
    guard size > 0, size <= configuration.maximumSize, size & (size &- 1) == 0 else {
      throw QueueFault(queue: index, violation: .invalidSize(size))
    }
    func resolve(
      _ part: RingViolation.RingPart, _ address: UInt64, _ count: Int, alignment: UInt64
    ) throws(QueueFault) -> UnsafeMutableRawPointer {
      guard address % alignment == 0 else {
        throw QueueFault(queue: index, violation: .misaligned(part: part, address: address))
      }
      do { return try memory.pointer(at: address, count: UInt64(count)) } catch {
        throw QueueFault(queue: index, violation: .ringOutsideMemory(part: part, address: address))
      }
    }
    let count = Int(size)
    let table = try resolve(
      .descriptorTable, configuration.descriptorTable, count * Descriptor.stride, alignment: 16)
    available = try resolve(
      .availableRing, configuration.availableRing, 6 + 2 * count, alignment: 2)
    used = try resolve(.usedRing, configuration.usedRing, 6 + 8 * count, alignment: 4)
    self.index = index
    self.size = size
    nextAvailable = startIndex
    nextUsed = startIndex
    publishedUsed = startIndex
    usesEventIndex = features.contains(.eventIndex)
    func walker(_ direction: BufferDirection) -> ChainWalker {
      ChainWalker(
        memory: memory, table: table, tableSize: count, direction: direction,
        allowsIndirect: features.contains(.indirectDescriptors))
    }
    walkers = (walker(.readable), walker(.writable))
  }

  /// How many chains the driver has made available and the device has not completed.
  package func availableCount() throws(QueueFault) -> Int {
    let published = UInt16(littleEndian: SharedWord.loadAcquire16(available + 2))
    let count = published &- nextAvailable
    guard count <= size else {
      throw fault(.availableIndexJump(from: nextAvailable, to: published))
    }
    return Int(count)
  }

  /// Appends available chains to `list`, in order, until it holds `byteLimit` bytes (at least one
  /// chain is taken), has no room for the next chain, or none is left. Consumes none.
  package func gather(
    _ direction: BufferDirection, into list: SegmentList, byteLimit: Int
  ) throws(QueueFault) {
    let walker = direction == .readable ? walkers.readable : walkers.writable
    for offset in 0..<(try availableCount()) {
      guard list.byteCount < byteLimit || list.chains.isEmpty else { return }
      let slot = Int((nextAvailable &+ UInt16(offset)) & (size &- 1))
      let head = UInt16(littleEndian: SharedWord.load16(available + 4 + 2 * slot))
      guard head < size else { throw fault(.headOutOfRange(head)) }
      do {
        guard try walker.append(head: head, to: list) else { return }
      } catch {
        throw fault(error)
      }
    }
  }

  /// Consumes the next available chain, `chain`, and returns it to the driver with `written` bytes
  /// in it (zero for chains the device read). The driver sees it after `publish`.
  package func complete(_ chain: SegmentList.Chain, written: UInt32) {
    let entry = used + 4 + 8 * Int(nextUsed & (size &- 1))
    SharedWord.store32(entry, UInt32(chain.id).littleEndian)
    SharedWord.store32(entry + 4, written.littleEndian)
    nextUsed = nextUsed &+ 1
    nextAvailable = nextAvailable &+ 1
  }

  /// Shows the driver what was completed; returns whether it wants to be notified of it
  /// (virtio 1.2, 2.7.7).
  package func publish() -> Bool {
    guard nextUsed != publishedUsed else { return false }
    let old = publishedUsed
    SharedWord.storeRelease16(used + 2, nextUsed.littleEndian)
    publishedUsed = nextUsed
    SharedWord.fence()
    guard usesEventIndex else {
      return UInt16(littleEndian: SharedWord.load16(available)) & 1 == 0
    }
    let event = UInt16(littleEndian: SharedWord.load16(available + 4 + 2 * Int(size)))
    return nextUsed &- event &- 1 < nextUsed &- old
  }

  /// Asks the driver not to notify of new buffers: the device will look by itself.
  package func disableNotifications() {
    guard !usesEventIndex else { return }  // an index that stays behind asks for none
    SharedWord.store16(used, UInt16(1).littleEndian)
  }

  /// Asks the driver to notify of the next buffer; returns whether one has become available
  /// meanwhile, in which case no notification may come (virtio 1.2, 2.7.10).
  package func enableNotifications() throws(QueueFault) -> Bool {
    if usesEventIndex {
      SharedWord.store16(used + 4 + 8 * Int(size), nextAvailable.littleEndian)
    } else {
      SharedWord.store16(used, 0)
    }
    SharedWord.fence()
    return try availableCount() > 0
  }

  private func fault(_ violation: RingViolation) -> QueueFault {
    QueueFault(queue: index, violation: violation)
  }
}
