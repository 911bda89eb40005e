import Glibc
import GuestMemory
import TestSupport
import Testing
import Virtio

/// Rings as an attacker would make them, on both layouts: each is refused by name, none is followed.
/// The ids are those of the hostile cases (G) and of the rules of virtio 1.2, 2.7 (S) and 2.8 (K).
@Suite struct HostileQueueTests {
  static let memoryEnd: UInt64 = 0x100_0000
  static let highStart: UInt64 = 0x1_0000_0000
  let memory: GuestMemory
  let list = ChainBatch()

  init() throws {
    memory = try GuestMemory(
      regions: [0..<Self.memoryEnd, Self.highStart..<(Self.highStart + 0x10_0000)])
  }

  private func gather(_ queue: Virtqueue, _ direction: BufferDirection = .readable) throws {
    list.removeAll()
    try queue.gather(direction, into: list, byteLimit: .max)
  }

  private func expectFault(
    _ violation: RingViolation, _ queue: Virtqueue, _ direction: BufferDirection = .readable,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(throws: QueueFault(queue: 5, violation: violation), sourceLocation: sourceLocation) {
      try gather(queue, direction)
    }
  }

  // MARK: G7: available ring

  @Test("S9, G7: an available index that jumps", arguments: [9, 100, 0x8000, 0xffff] as [UInt16])
  func refusesAnAvailableIndexThatJumps(_ index: UInt16) throws {
    let (mock, queue) = try makeSplit()
    mock.setAvailableIndex(index)
    expectFault(.availableIndexJump(from: 0, to: index), queue)
  }

  @Test("S9, G7: an available index that goes back")
  func refusesAnAvailableIndexThatGoesBack() throws {
    let (mock, queue) = try makeSplit()
    mock.publish([.init(0x8000, 1)])
    try queue.useNext()
    mock.setAvailableIndex(0)
    expectFault(.availableIndexJump(from: 1, to: 0), queue)
  }

  @Test("G7: a head beyond the table", arguments: [8, 9, 0x7fff, 0xffff] as [UInt16])
  func refusesAHeadBeyondTheTable(_ head: UInt16) throws {
    let (mock, queue) = try makeSplit()
    mock.publish(head: head)
    expectFault(.headOutOfRange(head), queue)
  }

  @Test("G7: the same head twice")
  func survivesTheSameHeadTwice() throws {
    let (mock, queue) = try makeSplit()
    let head = mock.publish([.init(0x8000, 1)])
    mock.publish(head: head)
    try gather(queue)
    #expect(list.chains.map(\.id) == [head, head])
  }

  @Test("G7, K2: every slot available, in this lap and the next at once: one lap is taken")
  func takesOneLapOfAPackedRing() throws {
    let (mock, queue) = try makePacked()
    for slot: UInt16 in 0..<8 {
      mock.writeDescriptor(slot, address: 0x8000, length: 1, id: 7, flags: 0x80)
    }
    try gather(queue)
    #expect(list.chains.count == 8)
    #expect(list.chains.allSatisfy { $0.id == 7 })
    for slot: UInt16 in 0..<8 {
      mock.writeDescriptor(slot, address: 0x8000, length: 1, id: 7, flags: 0x8000)
    }
    try gather(queue)
    #expect(list.chains.isEmpty)
  }

  private func makeSplit() throws -> (MockQueue, Virtqueue) {
    let mock = MockQueue(memory: memory, base: 0x1000, size: 8)
    let queue = try Virtqueue(
      index: 5, configuration: mock.configuration(),
      features: [.version1, .indirectDescriptors], memory: memory)
    return (mock, queue)
  }

  private func makePacked() throws -> (MockPackedQueue, Virtqueue) {
    let mock = MockPackedQueue(memory: memory, base: 0x1000, size: 8)
    let queue = try Virtqueue(
      index: 5, configuration: mock.configuration(),
      features: RingLayout.packed.features.union(.indirectDescriptors), memory: memory)
    return (mock, queue)
  }

  // MARK: G8: descriptors

  @Test("S4, G8: a next beyond the table")
  func refusesANextBeyondTheTable() throws {
    let (mock, queue) = try makeSplit()
    mock.writeDescriptor(0, address: 0x8000, length: 1, flags: 1, next: 8)
    mock.publish(head: 0)
    expectFault(.nextOutOfRange(8), queue)
  }

  @Test("S4, G8: loops", arguments: [[0], [1, 0], [1, 2, 3, 4, 5, 6, 7, 0]] as [[UInt16]])
  func refusesLoops(_ nexts: [UInt16]) throws {
    let (mock, queue) = try makeSplit()
    for (index, next) in nexts.enumerated() {
      mock.writeDescriptor(UInt16(index), address: 0x8000, length: 1, flags: 1, next: next)
    }
    mock.publish(head: 0)
    expectFault(.chainTooLong, queue)
  }

  @Test(
    "K3, G8: a list that goes once around a packed ring and on, from any slot and behind others")
  func refusesAPackedListWithoutEnd() throws {
    for before in 0..<7 {
      let (mock, queue) = try makePacked()
      for slot: UInt16 in 0..<8 {
        mock.writeDescriptor(slot, address: 0x8000, length: 1, id: 1, flags: 0x81)
      }
      for slot in 0..<before {
        mock.writeDescriptor(UInt16(slot), address: 0x8000, length: 1, id: 1, flags: 0x80)
      }
      expectFault(.chainTooLong, queue)
    }
  }

  @Test("G8: a chain as long as the queue is fine", arguments: RingLayout.allCases)
  func acceptsAChainAsLongAsTheQueue(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    driver.publish((0..<8).map { .init(0x8000 + UInt64($0), 1) })
    try gather(queue)
    #expect(list.byteCount == 8)
  }

  @Test(
    "S4, G8: buffers outside memory, in holes and MMIO, over its end, around 2^64",
    arguments: RingLayout.allCases,
    [
      (memoryEnd - 1, 2), (memoryEnd, 1), (0xbfff_ffff, 1), (highStart - 1, 2),
      (UInt64.max, 1), (UInt64.max - 3, 8), (0, UInt32.max), (0xfee0_0000, 4),
    ] as [(UInt64, UInt32)])
  func refusesBuffersOutsideMemory(_ layout: RingLayout, _ buffer: (UInt64, UInt32)) throws {
    let violation = RingViolation.bufferOutsideMemory(address: buffer.0, length: buffer.1)
    let (driver, queue) = try layout.makeQueue(memory)
    driver.publish([.init(buffer.0, Int(buffer.1))])
    expectFault(violation, queue)
    let (other, indirect) = try layout.makeQueue(memory, base: 0x3000)
    other.publishIndirect([.init(buffer.0, Int(buffer.1))], table: 0xb000)
    expectFault(violation, indirect)
  }

  @Test("G8: the last byte of memory is fine", arguments: RingLayout.allCases)
  func acceptsTheLastByteOfMemory(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    driver.publish([.init(Self.memoryEnd - 1, 1)])
    driver.publish([.init(Self.highStart + 0x10_0000 - 1, 1)])
    try gather(queue)
    #expect(list.byteCount == 2)
  }

  @Test(
    "G8: a chain of overlapping buffers may not exceed 2^32 bytes", arguments: RingLayout.allCases)
  func refusesAmplification(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    let length = Int(Self.memoryEnd)
    driver.publishIndirect((0..<257).map { _ in .init(0, length) }, table: 0xb000)
    expectFault(.chainTooLarge, queue)
  }

  @Test("G8: unknown flags", arguments: RingLayout.allCases)
  func refusesUnknownFlags(_ layout: RingLayout) throws {
    for flags: UInt16 in layout == .split ? [8, 0x10, 0x80, 0x8000] : [8, 0x10, 0x40, 0x4000] {
      let (driver, queue) = try layout.makeQueue(memory)
      var buffer = MockQueue.Buffer(0x8000, 1)
      buffer.extraFlags = flags
      driver.publish([buffer])
      expectFault(.unknownFlags(layout == .split ? flags : flags | 0x80), queue)
    }
  }

  // MARK: G9: indirect tables

  private func indirect(_ address: UInt64, _ length: Int) -> MockQueue.Buffer {
    var buffer = MockQueue.Buffer(address, length)
    buffer.extraFlags = 4
    return buffer
  }

  @Test("S5, K5, G9: indirect descriptors that were not negotiated", arguments: RingLayout.allCases)
  func refusesIndirectThatWasNotNegotiated(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory, features: [])
    driver.publishIndirect([.init(0x8000, 1)], table: 0xb000)
    expectFault(.indirectNotNegotiated, queue)
  }

  @Test("S5, G9: a table in a table")
  func refusesNestedIndirect() throws {
    let (driver, queue) = try makeSplit()
    driver.publishIndirect([indirect(0xc000, 16)], table: 0xb000)
    expectFault(.indirectMalformed, queue)
  }

  @Test("S5, K5, G9: a table with NEXT", arguments: RingLayout.allCases)
  func refusesIndirectWithNext(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    driver.publish([indirect(0xb000, 16), .init(0x8000, 1)])
    expectFault(.indirectMalformed, queue)
  }

  @Test(
    "S5: a split chain may end in a table, whose own WRITE flag means nothing; K5: no packed one")
  func followsATableBehindBuffers() throws {
    let (split, queue) = try makeSplit()
    var table = indirect(0xb000, 16)
    table.isWritable = true
    split.writeDescriptor(0, address: 0x9000, length: 4, flags: 0, next: 0, table: 0xb000)
    split.publish([.init(0x8000, 3), table])
    try gather(queue)
    #expect(list.byteCount == 7)
    let (packed, other) = try makePacked()
    packed.publish([.init(0x8000, 3), table])
    expectFault(.indirectMalformed, other)
  }

  @Test(
    "S5, K5, G9: tables of no length, an odd one, too long, outside memory",
    arguments: RingLayout.allCases,
    [
      (0xb000, 0), (0xb000, 8), (0xb000, 24), (0xb000, 16 * 1025), (memoryEnd - 8, 16),
      (UInt64.max - 7, 16), (0xb000, UInt32.max),
    ] as [(UInt64, UInt32)])
  func refusesIndirectTables(_ layout: RingLayout, _ table: (UInt64, UInt32)) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    driver.publish([indirect(table.0, Int(table.1))])
    expectFault(.indirectTableInvalid(address: table.0, length: table.1), queue)
  }

  @Test("G9: a table inside the ring itself", arguments: RingLayout.allCases)
  func readsATableInsideTheRing(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    let table = driver.configuration().descriptorTable
    driver.publish([indirect(table, 16)])
    // The entry refers to itself: nested in a split ring, an ordinary buffer in a packed one.
    if layout == .split {
      expectFault(.indirectMalformed, queue)
    } else {
      try gather(queue)
      #expect(list.byteCount == 16)
    }
  }

  @Test("S5, G9: a loop inside a table, a next beyond it")
  func refusesBrokenChainsInATable() throws {
    for (next, violation) in [(0, .chainTooLong), (2, .nextOutOfRange(2))]
      as [(UInt16, RingViolation)]
    {
      let (mock, queue) = try makeSplit()
      mock.publishIndirect([.init(0x8000, 1), .init(0x8000, 1)], table: 0xb000)
      mock.writeDescriptor(1, address: 0x8000, length: 1, flags: 1, next: next, table: 0xb000)
      expectFault(violation, queue)
    }
  }

  // MARK: G10: direction

  @Test(
    "S4, G10: buffers of the wrong direction, alone, mixed in either order, in a table",
    arguments: RingLayout.allCases, [BufferDirection.readable, .writable])
  func refusesTheWrongDirection(_ layout: RingLayout, _ direction: BufferDirection) throws {
    let right = MockQueue.Buffer(0x8000, 1, writable: direction == .writable)
    let wrong = MockQueue.Buffer(0x9000, 1, writable: direction == .readable)
    for chain in [[wrong], [right, wrong], [wrong, right], [right, right, wrong]] {
      let (driver, queue) = try layout.makeQueue(memory)
      driver.publish(chain)
      expectFault(.wrongDirection, queue, direction)
      let (other, indirect) = try layout.makeQueue(memory, base: 0x3000)
      other.publishIndirect(chain, table: 0xb000)
      expectFault(.wrongDirection, indirect, direction)
    }
  }
}
