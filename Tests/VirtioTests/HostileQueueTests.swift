import Glibc
import GuestMemory
import TestSupport
import Testing
import Virtio

/// Rings as an attacker would make them: each is refused by name, none is followed.
@Suite struct HostileQueueTests {
  static let memoryEnd: UInt64 = 0x100_0000
  static let highStart: UInt64 = 0x1_0000_0000
  let memory: GuestMemory
  let list = SegmentList()

  init() throws {
    memory = try GuestMemory(
      regions: [0..<Self.memoryEnd, Self.highStart..<(Self.highStart + 0x10_0000)])
  }

  private func makeQueue(
    size: UInt16 = 8, features: Features = [.version1, .indirectDescriptors]
  ) throws -> (MockQueue, Virtqueue) {
    let mock = MockQueue(memory: memory, base: 0x1000, size: size)
    let queue = try Virtqueue(
      index: 5, configuration: mock.configuration(), features: features, memory: memory)
    return (mock, queue)
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

  // MARK: G1, G2: set-up

  @Test(arguments: [0, 3, 6, 255, 512, 32768] as [UInt16])
  func refusesSizes(_ size: UInt16) {
    var configuration = MockQueue(memory: memory, base: 0x1000, size: 8).configuration()
    configuration.size = size
    #expect(throws: QueueFault(queue: 5, violation: .invalidSize(size))) {
      try Virtqueue(index: 5, configuration: configuration, features: [], memory: memory)
    }
  }

  @Test(arguments: [1, 2, 4, 8, 64, 256] as [UInt16])
  func acceptsPowersOfTwo(_ size: UInt16) throws {
    _ = try makeQueue(size: size)
  }

  @Test func refusesMisalignedRings() {
    let parts: [(WritableKeyPath<QueueConfiguration, UInt64>, RingViolation.RingPart, UInt64)] = [
      (\.descriptorTable, .descriptorTable, 8), (\.availableRing, .availableRing, 1),
      (\.usedRing, .usedRing, 2),
    ]
    for (path, part, offset) in parts {
      var configuration = MockQueue(memory: memory, base: 0x1000, size: 8).configuration()
      configuration[keyPath: path] += offset
      let address = configuration[keyPath: path]
      #expect(
        throws: QueueFault(queue: 5, violation: .misaligned(part: part, address: address))
      ) {
        try Virtqueue(index: 5, configuration: configuration, features: [], memory: memory)
      }
    }
  }

  @Test(arguments: [
    memoryEnd - 16, memoryEnd, 0xc000_0000, 0xfee0_0000, highStart - 16, UInt64.max - 15,
    1 << 52,
  ])
  func refusesRingsOutsideMemory(_ address: UInt64) {
    let parts: [(WritableKeyPath<QueueConfiguration, UInt64>, RingViolation.RingPart)] = [
      (\.descriptorTable, .descriptorTable), (\.availableRing, .availableRing),
      (\.usedRing, .usedRing),
    ]
    for (path, part) in parts {
      var configuration = MockQueue(memory: memory, base: 0x1000, size: 8).configuration()
      configuration[keyPath: path] = address
      #expect(
        throws: QueueFault(queue: 5, violation: .ringOutsideMemory(part: part, address: address))
      ) {
        try Virtqueue(index: 5, configuration: configuration, features: [], memory: memory)
      }
    }
  }

  @Test func acceptsARingThatEndsWithMemory() throws {
    var configuration = MockQueue(memory: memory, base: 0x1000, size: 8).configuration()
    configuration.usedRing = Self.memoryEnd - 72
    _ = try Virtqueue(index: 5, configuration: configuration, features: [], memory: memory)
  }

  // MARK: G7: available ring

  @Test(arguments: [9, 100, 0x8000, 0xffff] as [UInt16])
  func refusesAnAvailableIndexThatJumps(_ index: UInt16) throws {
    let (mock, queue) = try makeQueue()
    mock.setAvailableIndex(index)
    expectFault(.availableIndexJump(from: 0, to: index), queue)
  }

  @Test func refusesAnAvailableIndexThatGoesBack() throws {
    let (mock, queue) = try makeQueue()
    mock.publish([.init(0x8000, 1)])
    try queue.useNext()
    mock.setAvailableIndex(0)
    expectFault(.availableIndexJump(from: 1, to: 0), queue)
  }

  @Test(arguments: [8, 9, 0x7fff, 0xffff] as [UInt16])
  func refusesAHeadBeyondTheTable(_ head: UInt16) throws {
    let (mock, queue) = try makeQueue()
    mock.publish(head: head)
    expectFault(.headOutOfRange(head), queue)
  }

  @Test func survivesTheSameHeadTwice() throws {
    let (mock, queue) = try makeQueue()
    let head = mock.publish([.init(0x8000, 1)])
    mock.publish(head: head)
    try gather(queue)
    #expect(list.chains.map(\.id) == [head, head])
  }

  // MARK: G8: descriptors

  @Test func refusesANextBeyondTheTable() throws {
    let (mock, queue) = try makeQueue()
    mock.writeDescriptor(0, address: 0x8000, length: 1, flags: 1, next: 8)
    mock.publish(head: 0)
    expectFault(.nextOutOfRange(8), queue)
  }

  @Test(arguments: [[0], [1, 0], [1, 2, 3, 4, 5, 6, 7, 0]] as [[UInt16]])
  func refusesLoops(_ nexts: [UInt16]) throws {
    let (mock, queue) = try makeQueue()
    for (index, next) in nexts.enumerated() {
      mock.writeDescriptor(UInt16(index), address: 0x8000, length: 1, flags: 1, next: next)
    }
    mock.publish(head: 0)
    expectFault(.chainTooLong, queue)
  }

  @Test func acceptsAChainAsLongAsTheQueue() throws {
    let (mock, queue) = try makeQueue()
    mock.publish((0..<8).map { .init(0x8000 + UInt64($0), 1) })
    try gather(queue)
    #expect(list.byteCount == 8)
  }

  @Test(
    arguments: [
      (memoryEnd - 1, 2), (memoryEnd, 1), (0xbfff_ffff, 1), (highStart - 1, 2),
      (UInt64.max, 1), (UInt64.max - 3, 8), (0, UInt32.max), (0xfee0_0000, 4),
    ] as [(UInt64, UInt32)])
  func refusesBuffersOutsideMemory(_ address: UInt64, _ length: UInt32) throws {
    let (mock, queue) = try makeQueue()
    mock.writeDescriptor(0, address: address, length: length, flags: 0, next: 0)
    mock.publish(head: 0)
    expectFault(.bufferOutsideMemory(address: address, length: length), queue)
  }

  @Test func acceptsTheLastByteOfMemory() throws {
    let (mock, queue) = try makeQueue()
    mock.publish([.init(Self.memoryEnd - 1, 1)])
    mock.publish([.init(Self.highStart + 0x10_0000 - 1, 1)])
    try gather(queue)
    #expect(list.byteCount == 2)
  }

  @Test("A chain of overlapping buffers may not exceed 2^32 bytes")
  func refusesAmplification() throws {
    let (mock, queue) = try makeQueue()
    let length = Int(Self.memoryEnd)
    mock.publishIndirect((0..<257).map { _ in .init(0, length) }, table: 0xb000)
    expectFault(.chainTooLarge, queue)
  }

  @Test(arguments: [8, 0x10, 0x80, 0x8000] as [UInt16])
  func refusesUnknownFlags(_ flags: UInt16) throws {
    let (mock, queue) = try makeQueue()
    mock.writeDescriptor(0, address: 0x8000, length: 1, flags: flags, next: 0)
    mock.publish(head: 0)
    expectFault(.unknownFlags(flags), queue)
  }

  // MARK: G9: indirect tables

  @Test func refusesIndirectThatWasNotNegotiated() throws {
    let (mock, queue) = try makeQueue(features: [.version1])
    mock.publishIndirect([.init(0x8000, 1)], table: 0xb000)
    expectFault(.indirectNotNegotiated, queue)
  }

  @Test func refusesNestedIndirect() throws {
    let (mock, queue) = try makeQueue()
    var inner = MockQueue.Buffer(0xc000, 16)
    inner.extraFlags = 4
    mock.publishIndirect([inner], table: 0xb000)
    expectFault(.indirectMalformed, queue)
  }

  @Test func refusesIndirectWithNext() throws {
    let (mock, queue) = try makeQueue()
    mock.writeDescriptor(0, address: 0xb000, length: 16, flags: 4 | 1, next: 1)
    mock.publish(head: 0)
    expectFault(.indirectMalformed, queue)
  }

  @Test("S5: a direct chain may end in an indirect table, whose own WRITE flag means nothing")
  func acceptsAChainThatEndsInATable() throws {
    let (mock, queue) = try makeQueue()
    mock.writeDescriptor(0, address: 0x8000, length: 3, flags: 1, next: 1)
    mock.writeDescriptor(1, address: 0xb000, length: 16, flags: 4 | 2, next: 0)
    mock.writeDescriptor(0, address: 0x9000, length: 4, flags: 0, next: 0, table: 0xb000)
    mock.publish(head: 0)
    try gather(queue)
    #expect(list.byteCount == 7)
  }

  @Test(
    arguments: [
      (0xb000, 0), (0xb000, 8), (0xb000, 24), (0xb000, 16 * 1025), (memoryEnd - 8, 16),
      (UInt64.max - 7, 16), (0xb000, UInt32.max),
    ] as [(UInt64, UInt32)])
  func refusesIndirectTables(_ address: UInt64, _ length: UInt32) throws {
    let (mock, queue) = try makeQueue()
    mock.writeDescriptor(0, address: address, length: length, flags: 4, next: 0)
    mock.publish(head: 0)
    expectFault(.indirectTableInvalid(address: address, length: length), queue)
  }

  @Test func refusesALoopInsideATable() throws {
    let (mock, queue) = try makeQueue()
    mock.publishIndirect([.init(0x8000, 1), .init(0x8000, 1)], table: 0xb000)
    mock.writeDescriptor(1, address: 0x8000, length: 1, flags: 1, next: 0, table: 0xb000)
    expectFault(.chainTooLong, queue)
  }

  @Test func refusesANextBeyondAnIndirectTable() throws {
    let (mock, queue) = try makeQueue()
    mock.publishIndirect([.init(0x8000, 1), .init(0x8000, 1)], table: 0xb000)
    mock.writeDescriptor(0, address: 0x8000, length: 1, flags: 1, next: 2, table: 0xb000)
    expectFault(.nextOutOfRange(2), queue)
  }

  // MARK: G10: direction

  @Test func refusesTheWrongDirection() throws {
    let (mock, queue) = try makeQueue()
    mock.publish([.init(0x8000, 1, writable: true)])
    expectFault(.wrongDirection, queue, .readable)
    let (other, receive) = try makeQueue()
    other.publish([.init(0x8000, 1)])
    expectFault(.wrongDirection, receive, .writable)
  }

  @Test func refusesMixedChains() throws {
    for direction in [BufferDirection.readable, .writable] {
      let (mock, queue) = try makeQueue()
      mock.publish([.init(0x8000, 1, writable: direction == .writable), .init(0x9000, 1)])
      mock.writeDescriptor(
        1, address: 0x9000, length: 1, flags: direction == .readable ? 2 : 0, next: 0)
      expectFault(.wrongDirection, queue, direction)
    }
  }

  // MARK: Everything at random

  @Test("Seeded random rings: every gather ends, in chains inside memory or in a fault")
  func survivesRandomRings() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    var faults = 0
    for _ in 0..<3000 {
      let (mock, queue) = try makeQueue(size: [1, 2, 4, 8, 16].randomElement(using: &random) ?? 8)
      for index in 0..<mock.size {
        mock.writeDescriptor(
          index, address: UInt64.random(in: 0..<(Self.memoryEnd + 0x1000), using: &random),
          length: UInt32.random(in: 0..<0x2000, using: &random),
          flags: UInt16.random(in: 0..<9, using: &random),
          next: UInt16.random(in: 0...mock.size, using: &random))
        mock.writeAvailable(slot: index, head: UInt16.random(in: 0...mock.size, using: &random))
      }
      mock.setAvailableIndex(UInt16.random(in: 0...(mock.size + 1), using: &random))
      do { try gather(queue) } catch { faults += 1 }
      for segment in list.segments {
        let inside = memory.regions.contains { region in
          guard let base = segment.iov_base else { return false }
          return base >= region.hostAddress
            && base + segment.iov_len <= region.hostAddress + Int(region.size)
        }
        #expect(inside, "seed \(seed)")
      }
    }
    #expect(faults > 0, "seed \(seed)")
  }
}
