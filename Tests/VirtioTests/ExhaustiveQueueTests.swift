import GuestMemory
import TestSupport
import Testing
import Virtio

/// Small queues, all of it, on both layouts: sizes 1, 2 and 4 (and 3), starting at every index around
/// 0 and 65535 or at every slot in both laps, with and without EVENT_IDX and indirect tables, every
/// suppression state, every batch size. Every flag of a descriptor: `ExhaustiveFlagTests`.
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
    let list = ChainBatch()
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
          let isWanted = round % 2 == 0
          driver.setWantsInterrupts(isWanted)
          let isNotified = queue.publish()
          if !features.contains(.eventIndex) { #expect(isNotified == isWanted) }
          let used = driver.takeUsed()
          #expect(used.map(\.id) == ids.map(UInt32.init))
          #expect(used.map(\.length) == (1...UInt32(batch)).map { $0 })
          #expect(try queue.availableCount() == 0)
        }
      }
    }
  }

  @Test(
    "S4, K3: every list length from every slot, behind every other, around the wrap; in tables, too",
    arguments: [Shape(layout: .split, size: 4), Shape(layout: .packed, size: 5)], [false, true])
  func everyListAroundTheWrap(_ shape: Shape, _ isIndirect: Bool) throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    for start in shape.starts {
      for first in 1..<Int(shape.size) {
        for second in 1...(Int(shape.size) - first) {
          let (driver, queue) = try shape.layout.makeQueue(
            memory, size: shape.size, features: .indirectDescriptors, start: start)
          for _ in 0..<3 {
            let ids = [(first, 0x9000 as UInt64), (second, 0xa000)].map { count, table in
              let buffers = [MockQueue.Buffer](repeating: .init(0x8000, 1), count: count)
              return isIndirect
                ? driver.publishIndirect(buffers, table: table) : driver.publish(buffers)
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
    let list = ChainBatch()
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
    #expect(queue.statistics.bufferCount == 66_000)
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
}
