/// Every way in which a guest can break a virtqueue (numbers are sections of virtio 1.2).
package enum RingViolation: Error, Equatable, Sendable, CustomStringConvertible {
  /// Queue size zero, above the device's maximum, or for a split ring not a power of two (2.7, 2.8).
  case invalidSize(UInt16)
  /// A ring part is not aligned as it must be (2.7, 2.8.10).
  case misaligned(part: RingPart, address: UInt64)
  /// A ring part lies outside guest memory.
  case ringOutsideMemory(part: RingPart, address: UInt64)
  /// The available index ran further ahead than the ring is long (2.7.6).
  case availableIndexJump(from: UInt16, to: UInt16)
  /// The available ring names a descriptor that is not in the table.
  case headOutOfRange(UInt16)
  /// A descriptor's `next` is not in its table.
  case nextOutOfRange(UInt16)
  /// The chain is longer than its table or than the ring: a loop (2.7.5, 2.8.5).
  case chainTooLong
  /// A buffer is not wholly in guest memory.
  case bufferOutsideMemory(address: UInt64, length: UInt32)
  /// A chain's buffers add up to more than 2^32 bytes (2.7.5).
  case chainTooLarge
  /// A device-writable buffer in a queue for reading, or the other way round.
  case wrongDirection
  /// Flag bits that no negotiated feature defines.
  case unknownFlags(UInt16)
  /// An indirect descriptor although VIRTIO_F_INDIRECT_DESC was not negotiated.
  case indirectNotNegotiated
  /// An indirect descriptor inside an indirect table or with NEXT set (2.7.5.3.1), or in a packed
  /// ring behind another descriptor.
  case indirectMalformed
  /// An indirect table of zero length, no multiple of 16 bytes, too long, or outside memory.
  case indirectTableInvalid(address: UInt64, length: UInt32)

  /// The three parts of a split ring, and those of a packed one.
  package enum RingPart: String, Sendable {
    case descriptorTable = "descriptor table"
    case availableRing = "available ring"
    case usedRing = "used ring"
    case driverEvents = "driver event suppression structure"
    case deviceEvents = "device event suppression structure"
  }

  package var description: String {
    switch self {
    case .invalidSize(let size): "queue size \(size) is out of range or no power of two"
    case .misaligned(let part, let address): "\(part.rawValue) at \(hex(address)) is misaligned"
    case .ringOutsideMemory(let part, let address):
      "\(part.rawValue) at \(hex(address)) is outside guest memory"
    case .availableIndexJump(let from, let to):
      "available index jumped from \(from) to \(to), more than the queue's size"
    case .headOutOfRange(let head): "available ring names descriptor \(head), beyond the table"
    case .nextOutOfRange(let next): "a descriptor's next is \(next), beyond the table"
    case .chainTooLong: "a descriptor chain loops or is longer than it may be"
    case .bufferOutsideMemory(let address, let length):
      "a buffer of \(length) bytes at \(hex(address)) is outside guest memory"
    case .chainTooLarge: "a descriptor chain exceeds 2^32 bytes"
    case .wrongDirection: "a buffer has the wrong direction for its queue"
    case .unknownFlags(let flags): "a descriptor has undefined flags \(hex(UInt64(flags)))"
    case .indirectNotNegotiated: "an indirect descriptor, which was not negotiated"
    case .indirectMalformed: "an indirect descriptor is nested or part of a chain"
    case .indirectTableInvalid(let address, let length):
      "an indirect table of \(length) bytes at \(hex(address)) is invalid"
    }
  }
}

private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

/// A guest's breach of the rules of one queue.
///
/// It puts the device in DEVICE_NEEDS_RESET (virtio 1.2, 2.1.2); the description goes to the log,
/// after the device's name.
package struct QueueFault: Error, Equatable, Sendable, CustomStringConvertible {
  /// The queue's number in its device.
  package let queue: Int
  /// The rule broken.
  package let violation: RingViolation

  package init(queue: Int, violation: RingViolation) {
    self.queue = queue
    self.violation = violation
  }

  package var description: String { "queue \(queue): \(violation)" }
}
