import GuestMemory
import TestSupport
import Testing
import Virtio

/// Small queues, all of it: sizes 1, 2 and 4, starting at every index around 0 and 65535, with and
/// without EVENT_IDX and indirect tables, every suppression state, every batch size.
@Suite struct ExhaustiveQueueTests {
  static let sizes: [UInt16] = [1, 2, 4]
  static let startIndexes: [UInt16] = [0, 1, 2, 65530, 65531, 65532, 65533, 65534, 65535]

  /// Both sides, with their indexes at `start`.
  private func makeQueue(
    _ memory: GuestMemory, size: UInt16, start: UInt16, features: Features
  ) throws -> (MockQueue, Virtqueue) {
    let mock = MockQueue(memory: memory, base: 0x1000, size: size, startIndex: start)
    for offset in stride(from: mock.descriptorTable, to: mock.descriptorTable + 0x80, by: 8) {
      try memory.store(UInt64(0), at: offset)
    }
    mock.setAvailableIndex(start)
    mock.setUsedIndex(start)
    let queue = try Virtqueue(
      index: 0, configuration: mock.configuration(), features: features, memory: memory,
      startIndex: start)
    return (mock, queue)
  }

  @Test(arguments: sizes, [Features.version1, [.version1, .eventIndex]])
  func everyBatchAroundTheWrap(size: UInt16, features: Features) throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    let list = SegmentList()
    for start in Self.startIndexes {
      for batch in 1...size {
        let (mock, queue) = try makeQueue(memory, size: size, start: start, features: features)
        for round in 0..<4 {
          var heads: [UInt16] = []
          for number in 0..<batch {
            heads.append(mock.publish([.init(0x8000 + UInt64(number) * 64, Int(number) + 1)]))
          }
          #expect(try queue.availableCount() == Int(batch))
          list.removeAll()
          try queue.gather(.readable, into: list, byteLimit: .max)
          #expect(list.chains.map(\.id) == heads, "start \(start) round \(round)")
          for chain in list.chains {
            queue.complete(chain, written: UInt32(chain.byteCount))
          }
          _ = queue.publish()
          let used = mock.takeUsed()
          #expect(used.map(\.head) == heads.map(UInt32.init))
          #expect(used.map(\.length) == (1...UInt32(batch)).map { $0 })
          #expect(try queue.availableCount() == 0)
        }
      }
    }
  }

  @Test("Honest use for more than 65536 chains wraps both indexes")
  func aLongLife() throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    let (mock, queue) = try makeQueue(memory, size: 4, start: 0, features: .version1)
    let list = SegmentList()
    for _ in 0..<66_000 {
      let head = mock.publish([.init(0x8000, 1)])
      list.removeAll()
      try queue.gather(.readable, into: list, byteLimit: .max)
      guard list.chains.map(\.id) == [head] else {
        Issue.record("lost at \(mock.availableIndex)")
        return
      }
      try queue.useNext()
      _ = queue.publish()
    }
    #expect(mock.usedIndex == UInt16(66_000 - 65_536))
  }

  @Test("One chain more than the ring holds is a fault at every index", arguments: sizes)
  func oneTooMany(size: UInt16) throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    for start in Self.startIndexes {
      let (mock, queue) = try makeQueue(memory, size: size, start: start, features: .version1)
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

  @Test("EVENT_IDX: for every used_event and batch, notify exactly when it is crossed")
  func notificationAroundTheWrap() throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    let size: UInt16 = 4
    for start in Self.startIndexes {
      for batch in 1...size {
        for distance in -3...6 {
          let (mock, queue) = try makeQueue(
            memory, size: size, start: start, features: [.version1, .eventIndex])
          let event = start &+ UInt16(truncatingIfNeeded: distance)
          mock.setUsedEvent(event)
          for _ in 0..<batch {
            mock.publish([.init(0x8000, 1)])
            try queue.useNext()
          }
          let crossed = distance >= 0 && distance < Int(batch)
          #expect(queue.publish() == crossed, "start \(start) batch \(batch) event \(distance)")
        }
      }
    }
  }

  @Test("Every descriptor flag combination, first and second in a chain")
  func everyFlag() throws {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    let list = SegmentList()
    for first: UInt16 in 0..<16 {
      for second: UInt16 in 0..<16 {
        for direction in [BufferDirection.readable, .writable] {
          let (mock, queue) = try makeQueue(
            memory, size: 2, start: 0, features: [.version1, .indirectDescriptors])
          mock.writeDescriptor(0, address: 0x8000, length: 16, flags: first, next: 1)
          mock.writeDescriptor(1, address: 0x9000, length: 16, flags: second, next: 0)
          let inTable: UInt16 = direction == .writable ? 2 : 0
          for table: UInt64 in [0x8000, 0x9000] {
            mock.writeDescriptor(
              0, address: 0xa000, length: 1, flags: inTable, next: 0, table: table)
          }
          mock.publish(head: 0)
          list.removeAll()
          let expected = Self.isLegal(first, then: second, direction)
          let ok: Void? = try? queue.gather(direction, into: list, byteLimit: .max)
          #expect((ok != nil) == expected, "flags \(first) \(second) \(direction)")
        }
      }
    }
  }

  /// The specification's rules, written down a second time: 1 NEXT, 2 WRITE, 4 INDIRECT, 8 unknown.
  private static func isLegal(
    _ first: UInt16, then second: UInt16, _ direction: BufferDirection
  ) -> Bool {
    func isLegal(_ flags: UInt16, isLast: Bool) -> Bool {
      if flags & 8 != 0 { return false }
      if flags & 4 != 0 { return flags & 1 == 0 }
      if (flags & 2 != 0) != (direction == .writable) { return false }
      return !(isLast && flags & 1 != 0)
    }
    guard isLegal(first, isLast: false) else { return false }
    return first & 1 == 0 || isLegal(second, isLast: true)
  }
}
