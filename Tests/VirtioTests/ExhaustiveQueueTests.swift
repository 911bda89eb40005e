import GuestMemory
import TestSupport
import Testing
import Virtio

/// Small queues, all of it, on both layouts: sizes 1, 2 and 4 (and 3), starting at every index around
/// 0 and 65535 or at every slot in both laps, with and without EVENT_IDX and indirect tables, every
/// suppression state, every batch size.
@Suite struct ExhaustiveQueueTests {
  /// A layout and a size it may have.
  struct Shape: CustomTestStringConvertible {
    let layout: RingLayout
    let size: UInt16
    var testDescription: String { "\(layout) \(size)" }

    /// Where the ring may stand.
    var starts: [UInt16] {
      switch layout {
      case .split: [0, 1, 2, 65530, 65531, 65532, 65533, 65534, 65535]
      case .packed: (0..<size).map { $0 } + (0..<size).map { $0 | 0x8000 }
      }
    }
  }

  static let shapes =
    [1, 2, 4].map { Shape(layout: .split, size: $0) }
    + [1, 2, 3, 4].map { Shape(layout: .packed, size: $0) }

  @Test(
    "S6, K2, K3: every batch around the wrap comes back whole",
    arguments: shapes, [Features.version1, [.version1, .eventIndex]])
  func everyBatchAroundTheWrap(_ shape: Shape, features: Features) throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    let list = SegmentList()
    for start in shape.starts {
      for batch in 1...shape.size {
        let (driver, queue) = try shape.layout.makeQueue(
          memory, size: shape.size, features: features, start: start)
        for round in 0..<4 {
          let ids = (0..<batch).map { number in
            driver.publish([.init(0x8000 + UInt64(number) * 64, Int(number) + 1)])
          }
          #expect(try queue.availableCount() == Int(batch))
          list.removeAll()
          try queue.gather(.readable, into: list, byteLimit: .max)
          #expect(list.chains.map(\.id) == ids, "start \(start) round \(round)")
          for chain in list.chains {
            queue.complete(chain, written: UInt32(chain.byteCount))
          }
          _ = queue.publish()
          let used = driver.takeUsed()
          #expect(used.map(\.id) == ids.map(UInt32.init))
          #expect(used.map(\.length) == (1...UInt32(batch)).map { $0 })
          #expect(try queue.availableCount() == 0)
        }
      }
    }
  }

  @Test("K3: every list length from every slot, behind every other, around the wrap")
  func everyListAroundTheWrap() throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    let size: UInt16 = 5
    for start in Shape(layout: .packed, size: size).starts {
      for first in 1...4 {
        for second in 1...(5 - first) {
          let (driver, queue) = try RingLayout.packed.makeQueue(memory, size: size, start: start)
          for _ in 0..<3 {
            let ids = [first, second].map {
              driver.publish(Array(repeating: .init(0x8000, 1), count: $0))
            }
            #expect(try queue.availableCount() == 2)
            #expect(try queue.useNext()?.byteCount == first)
            #expect(try queue.useNext()?.byteCount == second)
            #expect(try queue.useNext() == nil)
            _ = queue.publish()
            #expect(driver.takeUsed().map(\.id) == ids.map(UInt32.init), "start \(start)")
          }
        }
      }
    }
  }

  @Test(
    "S6, K2, G7: honest use for more than 65536 chains wraps indexes and wrap counters",
    arguments: RingLayout.allCases)
  func aLongLife(_ layout: RingLayout) throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    let (driver, queue) = try layout.makeQueue(memory, size: 4)
    let list = SegmentList()
    for number in 0..<66_000 {
      let id = driver.publish([.init(0x8000, 1)])
      list.removeAll()
      try queue.gather(.readable, into: list, byteLimit: .max)
      guard let chain = list.chains.first, list.chains.count == 1, chain.id == id else {
        Issue.record("lost at \(number)")
        return
      }
      queue.complete(chain, written: 0)
      guard queue.publish(), driver.takeUsed().map(\.id) == [UInt32(id)] else {
        Issue.record("not returned at \(number)")
        return
      }
    }
    #expect(queue.counters.buffers == 66_000)
  }

  @Test(
    "S9: one chain more than the ring holds is a fault at every index",
    arguments: [1, 2, 4] as [UInt16])
  func oneTooMany(size: UInt16) throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    for start in Shape(layout: .split, size: size).starts {
      let mock = MockQueue(memory: memory, base: 0x1000, size: size, startIndex: start)
      let queue = try Virtqueue(
        index: 0, configuration: mock.configuration(), features: .version1, memory: memory,
        start: start)
      for ahead in 0...size &+ 2 {
        mock.setAvailableIndex(start &+ ahead)
        if ahead <= size {
          #expect(try queue.availableCount() == Int(ahead))
        } else {
          #expect(throws: QueueFault.self) { try queue.availableCount() }
        }
      }
    }
  }

  @Test(
    "S7, K6 with EVENT_IDX: for every event and batch, notify exactly when it is crossed",
    arguments: shapes)
  func notificationAroundTheWrap(_ shape: Shape) throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    // In a packed ring an event is at most one lap away.
    let distances = shape.layout == .split ? -3...6 : 0...(Int(shape.size) - 1)
    for start in shape.starts {
      for batch in 1...shape.size {
        for distance in distances {
          let (driver, queue) = try shape.layout.makeQueue(
            memory, size: shape.size, features: .eventIndex, start: start)
          driver.askForInterrupt(at: distance)
          for _ in 0..<batch {
            driver.publish([.init(0x8000, 1)])
            try queue.useNext()
          }
          let crossed = distance >= 0 && distance < Int(batch)
          #expect(queue.publish() == crossed, "start \(start) batch \(batch) event \(distance)")
        }
      }
    }
  }

  @Test(
    "S8, K6 with EVENT_IDX: at every index, the device is notified of the next buffer and no other",
    arguments: shapes)
  func kicksAroundTheWrap(_ shape: Shape) throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    for start in shape.starts {
      let (driver, queue) = try shape.layout.makeQueue(
        memory, size: shape.size, features: .eventIndex, start: start)
      for round in 0..<(3 * shape.size) {
        #expect(try !queue.enableNotifications())
        for number in 0..<shape.size {
          driver.publish([.init(0x8000, 1)])
          #expect(driver.takeKick() == (number == 0), "start \(start) round \(round)")
        }
        for _ in 0..<shape.size { try queue.useNext() }
        _ = queue.publish()
        #expect(driver.takeUsed().count == Int(shape.size))
      }
    }
  }

  @Test(
    "S4, S5, K5: every flag combination, first and second in a chain",
    arguments: RingLayout.allCases, [BufferDirection.readable, .writable])
  func everyFlag(_ layout: RingLayout, _ direction: BufferDirection) throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    let list = SegmentList()
    for first: UInt16 in 0..<16 {
      for second: UInt16 in 0..<16 {
        let (driver, queue) = try layout.makeQueue(memory, size: 2)
        write([first, second], to: driver)
        let inTable: UInt16 = direction == .writable ? 2 : 0
        for table: UInt64 in [0x8000, 0x9000] {
          try memory.store(UInt64(0xa000), at: table)
          try memory.store(UInt64(inTable) << (layout == .split ? 32 : 48) | 1, at: table + 8)
        }
        list.removeAll()
        let expected = Self.isLegal(first, then: second, direction, layout)
        let ok: Void? = try? queue.gather(direction, into: list, byteLimit: .max)
        #expect((ok != nil) == expected, "flags \(first) \(second)")
      }
    }
  }

  /// Two descriptors that refer to tables at 0x8000 and 0x9000, in a chain if the first has NEXT.
  private func write(_ flags: [UInt16], to driver: any DriverQueue) {
    if let split = driver as? MockQueue {
      split.writeDescriptor(0, address: 0x8000, length: 16, flags: flags[0], next: 1)
      split.writeDescriptor(1, address: 0x9000, length: 16, flags: flags[1], next: 0)
      split.publish(head: 0)
    } else if let packed = driver as? MockPackedQueue {
      packed.writeDescriptor(0, address: 0x8000, length: 16, id: 0, flags: flags[0] | 0x80)
      packed.writeDescriptor(
        1, address: 0x9000, length: 16, id: 0, flags: flags[0] & 1 == 0 ? 0 : flags[1] | 0x80)
    }
  }

  /// The specification's rules, written down a second time: 1 NEXT, 2 WRITE, 4 INDIRECT, 8 unknown.
  private static func isLegal(
    _ first: UInt16, then second: UInt16, _ direction: BufferDirection, _ layout: RingLayout
  ) -> Bool {
    func isLegal(_ flags: UInt16, isLast: Bool) -> Bool {
      if flags & 8 != 0 { return false }
      if flags & 4 != 0 { return flags & 1 == 0 && !(isLast && layout == .packed) }
      if (flags & 2 != 0) != (direction == .writable) { return false }
      return !(isLast && flags & 1 != 0)
    }
    guard isLegal(first, isLast: false) else { return false }
    return first & 1 == 0 || isLegal(second, isLast: true)
  }
}
