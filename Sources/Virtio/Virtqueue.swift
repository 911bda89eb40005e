import GuestMemory

/// The device's side of one enabled virtqueue (virtio 1.2, 2.6), of either layout.
///
/// Chains are looked at first (`gather`) and given back later (`complete`, `publish`), in the order
/// in which the driver made them available; what was only gathered stays available, and is looked
/// at again next time. So a buffer that could be passed on in part only needs no memory of ours.
///
/// The rings' addresses are checked once, here; indexes and descriptors are fetched once each and
/// checked at every use. Belongs to its device's lock.
package final class Virtqueue {
  /// Not copyable, so that looking inside counts no references.
  private enum Ring: ~Copyable {
    case split(SplitRing)
    case packed(PackedRing)
  }

  /// The queue's number in its device.
  package let index: Int
  private let ring: Ring
  private var tally: QueueStatistics

  /// Checks the driver's choices and resolves the rings' addresses.
  ///
  /// - Parameters:
  ///   - features: what was negotiated, VIRTIO_F_RING_PACKED for the layout.
  ///   - start: where the ring stands, for a queue that is taken over in mid-life: the index in a
  ///     split ring; in a packed one the slot, and in bit 15 the wrap counter.
  ///   - statistics: of the queue's earlier lives.
  package init(
    index: Int, configuration: QueueConfiguration, features: Features, memory: GuestMemory,
    start: UInt16? = nil, statistics: QueueStatistics = QueueStatistics()
  ) throws(QueueFault) {
    self.index = index
    tally = statistics
    do throws(RingViolation) {
      if features.contains(.packedRing) {
        ring = .packed(
          try PackedRing(configuration, features: features, memory: memory, start: start))
      } else {
        ring = .split(
          try SplitRing(configuration, features: features, memory: memory, start: start))
      }
    } catch {
      throw QueueFault(queue: index, violation: error)
    }
  }

  /// What happened on the queue, in all its lives.
  package var statistics: QueueStatistics { tally }

  /// How many chains the driver has made available and the device has not completed. In a packed
  /// ring they are counted one by one.
  package func availableCount() throws(QueueFault) -> Int {
    do throws(RingViolation) {
      switch ring {
      case .split(let ring): return try ring.availableCount()
      case .packed(let ring): return ring.availableCount()
      }
    } catch {
      throw fault(error)
    }
  }

  /// Whether there is any such chain.
  package var hasAvailable: Bool {
    get throws(QueueFault) {
      switch ring {
      case .split: return try availableCount() > 0
      case .packed(let ring): return ring.hasAvailable
      }
    }
  }

  /// Appends available chains to `list`, in order, until it holds or has cost `byteLimit` bytes (at
  /// least one chain is taken), has no room for the next chain, or none is left. Consumes none.
  package func gather(
    _ direction: BufferDirection, into list: ChainBatch, byteLimit: Int
  ) throws(QueueFault) {
    do throws(RingViolation) {
      switch ring {
      case .split(let ring): try ring.gather(direction, into: list, byteLimit: byteLimit)
      case .packed(let ring): try ring.gather(direction, into: list, byteLimit: byteLimit)
      }
    } catch {
      throw fault(error)
    }
  }

  /// The next available chain alone, gathered into `batch`; nil where there is none.
  package func next(
    _ direction: BufferDirection, using batch: ChainBatch
  ) throws(QueueFault) -> ChainBatch.Chain? {
    batch.removeAll()
    try gather(direction, into: batch, byteLimit: 1)
    return batch.chains.first
  }

  /// Consumes the next available chain, which is `chain`, and returns it to the driver with
  /// `written` bytes in it (zero for chains the device read). The driver sees it after `publish`.
  package func complete(_ chain: ChainBatch.Chain, written: UInt32) {
    tally.bufferCount &+= 1
    tally.byteCount &+= chain.direction == .readable ? UInt64(chain.byteCount) : UInt64(written)
    switch ring {
    case .split(let ring): ring.complete(chain, written: written)
    case .packed(let ring): ring.complete(chain, written: written)
    }
  }

  /// Counts an available chain that a reset takes away with the queue.
  package func countAbandoned(_ chain: ChainBatch.Chain) {
    tally.bufferCount &+= 1
    tally.byteCount &+= UInt64(chain.byteCount)
  }

  /// Shows the driver what was completed; returns whether it must be notified of it (virtio 1.2,
  /// 2.7.7 and 2.8.10), which is counted as done.
  package func publish() -> Bool {
    let wanted =
      switch ring {
      case .split(let ring): ring.publish()
      case .packed(let ring): ring.publish()
      }
    if wanted { tally.interruptCount &+= 1 }
    return wanted
  }

  /// Shows the driver what was completed, and interrupts it where it wants that.
  package func publish(to driver: any VirtioInterrupt) {
    if publish() { driver.notifyUsedBuffers(queue: index) }
  }

  /// Asks the driver not to notify of new buffers: the device will look by itself.
  package func disableNotifications() {
    switch ring {
    case .split(let ring): ring.disableNotifications()
    case .packed(let ring): ring.disableNotifications()
    }
  }

  /// Asks the driver to notify of the next buffer; returns whether one has become available
  /// by now, in which case no notification may come (virtio 1.2, 2.7.10 and 2.8.22).
  ///
  /// - Parameter skipped: so many buffers may come before the one that is notified of, as far as the
  ///   driver can be asked for that; a quarter of the queue at most.
  package func enableNotifications(after skipped: UInt16 = 0) throws(QueueFault) -> Bool {
    do throws(RingViolation) {
      switch ring {
      case .split(let ring): return try ring.enableNotifications(after: skipped)
      case .packed(let ring): return ring.enableNotifications(after: skipped)
      }
    } catch {
      throw fault(error)
    }
  }

  /// Counts a notification from the driver.
  package func countNotification() { tally.notificationCount &+= 1 }

  private func fault(_ violation: RingViolation) -> QueueFault {
    tally.faultCount &+= 1
    return QueueFault(queue: index, violation: violation)
  }
}

/// What a driver sets for one queue before it enables it (virtio 1.2, 4.1.4.3).
package struct QueueConfiguration: Equatable, Sendable {
  /// The largest size the device supports; zero for a queue that does not exist.
  package let maximumSize: UInt16
  /// The size the driver chose, the maximum until it does.
  package var size: UInt16
  /// Guest address of the descriptor area.
  package var descriptorTable: UInt64 = 0
  /// Guest address of the driver area: the available ring, or in a packed ring the driver's event
  /// suppression structure.
  package var availableRing: UInt64 = 0
  /// Guest address of the device area: the used ring, or in a packed ring the device's event
  /// suppression structure.
  package var usedRing: UInt64 = 0

  /// As after a reset.
  package init(maximumSize: UInt16) {
    self.maximumSize = maximumSize
    size = maximumSize
  }
}

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
