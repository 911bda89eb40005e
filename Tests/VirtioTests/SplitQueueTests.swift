import GuestMemory
import TestSupport
import Testing
import Virtio

@Suite struct SplitQueueTests {
  let memory: GuestMemory
  let list = SegmentList()

  init() throws { memory = try GuestMemory(regions: [0..<0x100_0000]) }

  private func makeQueue(
    size: UInt16 = 8, features: Features = [.version1, .indirectDescriptors]
  ) throws -> (MockQueue, Virtqueue) {
    let mock = MockQueue(memory: memory, base: 0x1000, size: size)
    let queue = try Virtqueue(
      index: 5, configuration: mock.configuration(), features: features, memory: memory)
    return (mock, queue)
  }

  @Test func gathersNothingFromAnEmptyRing() throws {
    let (_, queue) = try makeQueue()
    try queue.gather(.readable, into: list, byteLimit: 1 << 20)
    #expect(list.chains.isEmpty)
    #expect(list.segments.isEmpty)
  }

  @Test func gathersSeveralChainsInRingOrder() throws {
    let (mock, queue) = try makeQueue()
    memory.put(Array("hello ".utf8), at: 0x8000)
    memory.put(Array("wor".utf8), at: 0x9000)
    memory.put(Array("ld".utf8), at: 0xa000)
    let first = mock.publish([.init(0x8000, 6)])
    let second = mock.publish([.init(0x9000, 3), .init(0xa000, 2)])
    try queue.gather(.readable, into: list, byteLimit: 1 << 20)
    #expect(list.chains.map(\.id) == [first, second])
    #expect(list.chains.map(\.byteCount) == [6, 5])
    #expect(text(of: list) == "hello world")
  }

  @Test func gatheringConsumesNothing() throws {
    let (mock, queue) = try makeQueue()
    mock.publish([.init(0x8000, 6)])
    for _ in 0..<3 {
      list.removeAll()
      try queue.gather(.readable, into: list, byteLimit: 1)
      #expect(list.chains.count == 1)
    }
    #expect(mock.takeUsed().isEmpty)
  }

  @Test func stopsAtTheByteLimitButTakesAtLeastOneChain() throws {
    let (mock, queue) = try makeQueue()
    for slot in 0..<4 { mock.publish([.init(0x8000 + UInt64(slot) * 0x1000, 100)]) }
    try queue.gather(.readable, into: list, byteLimit: 10)
    #expect(list.chains.count == 1)
    list.removeAll()
    try queue.gather(.readable, into: list, byteLimit: 101)
    #expect(list.chains.count == 2)
  }

  @Test func walksIndirectTables() throws {
    let (mock, queue) = try makeQueue()
    memory.put(Array("abc".utf8), at: 0x8000)
    memory.put(Array("def".utf8), at: 0x8100)
    mock.publishIndirect([.init(0x8000, 3), .init(0x8100, 3)], table: 0xb008)
    try queue.gather(.readable, into: list, byteLimit: 1 << 20)
    #expect(text(of: list) == "abcdef")
  }

  @Test("An indirect table may be longer than the queue: Linux relies on it")
  func takesLongIndirectTables() throws {
    let (mock, queue) = try makeQueue(size: 2)
    let buffers = (0..<SegmentList.capacity).map {
      MockQueue.Buffer(0x10_0000 + UInt64($0) * 16, 16)
    }
    mock.publishIndirect(buffers, table: 0xb000)
    try queue.gather(.readable, into: list, byteLimit: 1 << 30)
    #expect(list.byteCount == SegmentList.capacity * 16)
  }

  @Test func leavesAChainThatDoesNotFitForTheNextCall() throws {
    let (mock, queue) = try makeQueue(size: 8)
    let buffers = (0..<600).map { MockQueue.Buffer(0x10_0000 + UInt64($0) * 16, 16) }
    mock.publishIndirect(buffers, table: 0xb000)
    mock.publishIndirect(buffers, table: 0x2_0000)
    try queue.gather(.readable, into: list, byteLimit: 1 << 30)
    #expect(list.chains.count == 1)
    #expect(list.segments.count == 600)
  }

  @Test func passesOverZeroLengthBuffers() throws {
    let (mock, queue) = try makeQueue()
    mock.publish([.init(0x8000, 0), .init(0x8000, 4), .init(0x8000, 0)])
    mock.publish([.init(0x8000, 0)])
    try queue.gather(.readable, into: list, byteLimit: 1 << 20)
    #expect(list.segments.count == 1)
    #expect(list.chains.map(\.byteCount) == [4, 0])
  }

  @Test("virtio 1.2, 2.7.8.2 (S6): length and id before the index, index by one barrier")
  func completesIntoTheUsedRing() throws {
    let (mock, queue) = try makeQueue()
    let head = mock.publish([.init(0x8000, 6, writable: true)])
    try queue.useNext(.writable, written: 5)
    #expect(mock.usedIndex == 0)
    _ = queue.publish()
    let used = mock.takeUsed()
    #expect(used.map(\.head) == [UInt32(head)])
    #expect(used.map(\.length) == [5])
  }

  @Test("S7 without EVENT_IDX: the driver's flag decides")
  func notifiesByFlag() throws {
    let (mock, queue) = try makeQueue()
    mock.publish([.init(0x8000, 6)])
    try queue.useNext()
    #expect(queue.publish())
    #expect(!queue.publish(), "nothing new, nothing to notify of")
    mock.setAvailableFlags(1)
    mock.publish([.init(0x8000, 6)])
    try queue.useNext()
    #expect(!queue.publish())
  }

  @Test("S7 with EVENT_IDX: notify when the used index crosses used_event")
  func notifiesByEventIndex() throws {
    let (mock, queue) = try makeQueue(features: [.version1, .eventIndex])
    mock.setAvailableFlags(1)  // means nothing with EVENT_IDX
    var notified: [Bool] = []
    for event: UInt16 in [0, 5, 2, 9] {
      mock.setUsedEvent(event)
      mock.publish([.init(0x8000, 6)])
      try queue.useNext()
      notified.append(queue.publish())
    }
    #expect(notified == [true, false, true, false])
  }

  @Test func asksForNotificationsByFlag() throws {
    let (mock, queue) = try makeQueue()
    queue.disableNotifications()
    #expect(mock.usedFlags == 1)
    #expect(try !queue.enableNotifications())
    #expect(mock.usedFlags == 0)
  }

  @Test func asksForNotificationsByEventIndex() throws {
    let (mock, queue) = try makeQueue(features: [.version1, .eventIndex])
    queue.disableNotifications()
    #expect(mock.usedFlags == 0, "the flag stays zero with EVENT_IDX")
    for _ in 0..<3 {
      mock.publish([.init(0x8000, 6)])
      try queue.useNext()
    }
    #expect(try !queue.enableNotifications())
    #expect(mock.availableEvent == 3)
  }

  @Test("S8: a buffer that came before notifications were enabled is not overlooked")
  func seesBuffersThatCameBeforeEnabling() throws {
    for features: Features in [[.version1], [.version1, .eventIndex]] {
      let (mock, queue) = try makeQueue(features: features)
      queue.disableNotifications()
      mock.publish([.init(0x8000, 6)])
      #expect(try queue.enableNotifications())
      mock.setAvailableIndex(0)
    }
  }

  private func text(of list: SegmentList) -> String {
    var bytes = [UInt8](repeating: 0, count: list.byteCount)
    let count = bytes.withUnsafeMutableBytes { list.copyBytes(to: $0) }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}
