import GuestMemory
import TestSupport
import Testing
import Virtio

/// Every flag that a descriptor may have, in small queues of both layouts, from every place where one
/// may stand.
@Suite struct ExhaustiveFlagTests {
  @Test(
    "S4, S5, K5: every flag combination, first and second in a chain",
    arguments: ExhaustiveQueueTests.shapes, [BufferDirection.readable, .writable])
  func everyFlag(_ shape: ExhaustiveQueueTests.Shape, _ direction: BufferDirection) throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    let list = ChainBatch()
    for start in shape.starts {
      for first: UInt16 in 0..<16 {
        for second: UInt16 in 0..<(shape.size > 1 ? 16 : 1) {
          let (driver, queue) = try shape.layout.makeQueue(
            memory, size: shape.size, features: .indirectDescriptors, start: start)
          write([first, second], to: driver, start: start, size: shape.size)
          let inTable: UInt16 = direction == .writable ? 2 : 0
          for table: UInt64 in [0x8000, 0x9000] {
            try memory.store(UInt64(0xa000), at: table)
            try memory.store(
              UInt64(inTable) << (shape.layout == .split ? 32 : 48) | 1, at: table + 8)
          }
          list.removeAll()
          let expected = Self.isLegal(first, then: second, direction, shape)
          let ok: Void? = try? queue.gather(direction, into: list, byteLimit: .max)
          #expect((ok != nil) == expected, "flags \(first) \(second) start \(start)")
        }
      }
    }
  }

  /// Two descriptors that refer to tables at 0x8000 and 0x9000, in a chain if the first has NEXT; one
  /// where there is room for one only.
  private func write(_ flags: [UInt16], to driver: any DriverQueue, start: UInt16, size: UInt16) {
    if let split = driver as? MockQueue {
      split.writeDescriptor(0, address: 0x8000, length: 16, flags: flags[0], next: 1)
      if size > 1 {
        split.writeDescriptor(1, address: 0x9000, length: 16, flags: flags[1], next: 0)
      }
      split.publish(head: 0)
    } else if let packed = driver as? MockPackedQueue {
      let (slot, isFirstLap) = (start & 0x7fff, start & 0x8000 != 0)
      // AVAIL is bit 7, USED bit 15; what makes a descriptor available changes with every lap.
      func available(_ lap: Bool) -> UInt16 { lap ? 0x80 : 0x8000 }
      packed.writeDescriptor(
        slot, address: 0x8000, length: 16, id: 0, flags: flags[0] | available(isFirstLap))
      guard size > 1 else { return }
      let wraps = slot + 1 == size
      packed.writeDescriptor(
        wraps ? 0 : slot + 1, address: 0x9000, length: 16, id: 0,
        flags: flags[0] & 1 == 0
          ? (wraps == isFirstLap ? 0x8080 : 0) : flags[1] | available(wraps != isFirstLap))
    }
  }

  /// The specification's rules, written down a second time: 1 NEXT, 2 WRITE, 4 INDIRECT, 8 unknown.
  private static func isLegal(
    _ first: UInt16, then second: UInt16, _ direction: BufferDirection,
    _ shape: ExhaustiveQueueTests.Shape
  ) -> Bool {
    func isLegal(_ flags: UInt16, isLast: Bool) -> Bool {
      if flags & 8 != 0 { return false }
      if flags & 4 != 0 { return flags & 1 == 0 && !(isLast && shape.layout == .packed) }
      return (flags & 2 != 0) == (direction == .writable)
    }
    guard isLegal(first, isLast: false) else { return false }
    if first & 1 == 0 { return true }
    guard shape.size > 1, isLegal(second, isLast: true) else { return false }
    if second & 1 == 0 { return true }
    // What comes third is, in a split ring, the first again, a loop; in a packed one that has room for it,
    // an empty buffer to be read.
    return shape.layout == .packed && shape.size > 2 && direction == .readable
  }
}
