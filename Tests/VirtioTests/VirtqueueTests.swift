import GuestMemory
import TestSupport
import Testing
import Virtio

/// What a queue is to a device, on both layouts; the ids are those of the rules of virtio 1.2, 2.7
/// (S) and 2.8 (K).
@Suite struct VirtqueueTests {
  static let eventIndex: Features = [.indirectDescriptors, .eventIndex]
  let memory: GuestMemory
  let list = ChainBatch()

  init() throws { memory = try GuestMemory(regions: [0..<0x100_0000]) }

  private func gather(
    _ queue: Virtqueue, _ direction: BufferDirection = .readable, byteLimit: Int = .max
  ) throws {
    list.removeAll()
    try queue.gather(direction, into: list, byteLimit: byteLimit)
  }

  private func text(of list: ChainBatch) -> String {
    var bytes = [UInt8](repeating: 0, count: list.byteCount)
    let count = bytes.withUnsafeMutableBytes { list.copyBytes(to: $0) }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  // MARK: Gathering

  @Test(arguments: RingLayout.allCases)
  func gathersNothingFromAnEmptyRing(_ layout: RingLayout) throws {
    let (_, queue) = try layout.makeQueue(memory)
    try gather(queue)
    #expect(list.chains.isEmpty)
    #expect(list.segments.isEmpty)
    #expect(try queue.availableCount() == 0)
  }

  @Test(
    "K2, K3: chains come in ring order, under the id by which they are returned",
    arguments: RingLayout.allCases)
  func gathersSeveralChainsInRingOrder(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    memory.put(Array("hello ".utf8), at: 0x8000)
    memory.put(Array("wor".utf8), at: 0x9000)
    memory.put(Array("ld".utf8), at: 0xa000)
    let first = driver.publish([.init(0x8000, 6)])
    let second = driver.publish([.init(0x9000, 3), .init(0xa000, 2)])
    try gather(queue)
    #expect(list.chains.map(\.id) == [first, second])
    #expect(list.chains.map(\.byteCount) == [6, 5])
    #expect(text(of: list) == "hello world")
    #expect(try queue.availableCount() == 2)
  }

  @Test(arguments: RingLayout.allCases)
  func gatheringConsumesNothing(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    driver.publish([.init(0x8000, 6)])
    for _ in 0..<3 {
      try gather(queue, byteLimit: 1)
      #expect(list.chains.count == 1)
    }
    #expect(driver.takeUsed().isEmpty)
    #expect(queue.statistics == QueueStatistics())
  }

  @Test(arguments: RingLayout.allCases)
  func stopsAtTheByteLimitButTakesAtLeastOneChain(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    for slot in 0..<4 { driver.publish([.init(0x8000 + UInt64(slot) * 0x1000, 100)]) }
    try gather(queue, byteLimit: 10)
    #expect(list.chains.count == 1)
    try gather(queue, byteLimit: 101)
    #expect(list.chains.count == 2)
  }

  @Test("S5, K5: buffers listed in an indirect table", arguments: RingLayout.allCases)
  func walksIndirectTables(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    memory.put(Array("abc".utf8), at: 0x8000)
    memory.put(Array("def".utf8), at: 0x8100)
    let id = driver.publishIndirect([.init(0x8000, 3), .init(0x8100, 3)], table: 0xb008)
    try gather(queue)
    #expect(text(of: list) == "abcdef")
    #expect(list.chains.map(\.id) == [id])
  }

  @Test(
    "S5, K5: an indirect table may be longer than the queue: Linux relies on it",
    arguments: RingLayout.allCases)
  func takesLongIndirectTables(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory, size: 2)
    let buffers = (0..<ChainBatch.capacity).map {
      MockQueue.Buffer(0x10_0000 + UInt64($0) * 16, 16)
    }
    driver.publishIndirect(buffers, table: 0xb000)
    try gather(queue)
    #expect(list.byteCount == ChainBatch.capacity * 16)
  }

  @Test(
    "S2: a chain that does not fit in the list is left for the next call",
    arguments: RingLayout.allCases)
  func leavesAChainThatDoesNotFit(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory, size: 8)
    let buffers = (0..<600).map { MockQueue.Buffer(0x10_0000 + UInt64($0) * 16, 16) }
    driver.publishIndirect(buffers, table: 0xb000)
    let second = driver.publishIndirect(buffers, table: 0x2_0000)
    try gather(queue)
    #expect(list.chains.count == 1)
    #expect(list.segments.count == 600)
    queue.complete(try #require(list.chains.first), written: 0)
    try gather(queue)
    #expect(list.chains.map(\.id) == [second])
  }

  @Test("S2: framing is the driver's own, empty buffers included", arguments: RingLayout.allCases)
  func passesOverZeroLengthBuffers(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    driver.publish([.init(0x8000, 0), .init(0x8000, 4), .init(0x8000, 0)])
    driver.publish([.init(0x8000, 0)])
    try gather(queue)
    #expect(list.segments.count == 1)
    #expect(list.chains.map(\.byteCount) == [4, 0])
  }

  // MARK: Completing

  @Test(
    "S6, K3, K4: what is completed shows with its length, all of a batch at once",
    arguments: RingLayout.allCases)
  func completesInOneBatch(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    let ids = [
      driver.publish([.init(0x8000, 6, writable: true), .init(0x8100, 6, writable: true)]),
      driver.publish([.init(0x9000, 6, writable: true)]),
      driver.publish([.init(0xa000, 6, writable: true)]),
    ]
    try gather(queue, .writable)
    for (chain, written) in zip(list.chains, [11, 0, 5] as [UInt32]) {
      queue.complete(chain, written: written)
      #expect(driver.takeUsed().isEmpty, "not before it is published")
    }
    #expect(queue.publish())
    let used = driver.takeUsed()
    #expect(used.map(\.id) == ids.map(UInt32.init))
    #expect(used.map(\.length) == [11, 0, 5])
  }

  @Test(
    "S3: neither a buffer the device only reads nor a descriptor is written",
    arguments: RingLayout.allCases)
  func writesNothingButWhatIsItsOwn(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    memory.put(Array(0..<64), at: 0x8000)
    driver.publish([.init(0x8000, 64)])
    let ring = driver.configuration()
    let descriptors = memory.bytes(at: ring.descriptorTable, count: 128)
    try queue.useNext()
    _ = queue.publish()
    #expect(memory.bytes(at: 0x8000, count: 64) == Array(0..<64))
    if layout == .split {
      #expect(memory.bytes(at: ring.descriptorTable, count: 128) == descriptors)
    }
  }

  // MARK: Notifications of used buffers

  @Test("S7, K6 without EVENT_IDX: the driver's flag decides", arguments: RingLayout.allCases)
  func notifiesByFlag(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    for wanted in [true, false, true] {
      driver.setWantsInterrupts(wanted)
      driver.publish([.init(0x8000, 6)])
      try queue.useNext()
      #expect(queue.publish() == wanted)
      #expect(!queue.publish(), "nothing new, nothing to notify of")
    }
    #expect(queue.statistics.interruptCount == 2)
  }

  @Test(
    "S7, K6 with EVENT_IDX: notify when the entry the driver named is used",
    arguments: RingLayout.allCases)
  func notifiesByEventIndex(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory, features: Self.eventIndex)
    driver.setWantsInterrupts(false)  // means nothing with EVENT_IDX in a split ring
    var notified: [Bool] = []
    for distance in [0, 4, -1, 5] {
      driver.askForInterrupt(at: distance)
      driver.publish([.init(0x8000, 6)])
      try queue.useNext()
      notified.append(queue.publish())
      #expect(driver.takeUsed().count == 1)
    }
    #expect(notified == [true, false, false, false])
    driver.askForInterrupt(at: 2)
    for _ in 0..<3 {
      driver.publish([.init(0x8000, 6)])
      try queue.useNext()
    }
    #expect(queue.publish(), "somewhere in the batch")
  }

  // MARK: Notifications of available buffers

  @Test(
    "S7, S8, K6: the driver notifies only where it was asked to",
    arguments: RingLayout.allCases, [Features.indirectDescriptors, eventIndex])
  func asksForNotifications(_ layout: RingLayout, _ features: Features) throws {
    let (driver, queue) = try layout.makeQueue(memory, features: features)
    #expect(try !queue.enableNotifications())
    driver.publish([.init(0x8000, 6)])
    #expect(driver.takeKick(), "the first one after enabling")
    queue.disableNotifications()
    driver.publish([.init(0x8000, 6)])
    #expect(!driver.takeKick())
    while try queue.useNext() != nil {}
    #expect(try !queue.enableNotifications())
    driver.publish([.init(0x8000, 6), .init(0x8000, 6)])
    #expect(driver.takeKick())
  }

  @Test(
    "S8, K6: with EVENT_IDX some buffers may come before the one that is notified of",
    arguments: RingLayout.allCases, [(0, 0), (3, 3), (15, 4)] as [(UInt16, Int)])
  func asksForALaterNotification(_ layout: RingLayout, _ count: (asked: UInt16, skipped: Int))
    throws
  {
    for start in 0..<20 {
      let (driver, queue) = try layout.makeQueue(memory, size: 16, features: Self.eventIndex)
      for _ in 0..<start {
        driver.publish([.init(0x8000, 6)])
        try queue.useNext()
      }
      _ = driver.takeKick()
      #expect(try !queue.enableNotifications(after: count.asked))
      for _ in 0..<count.skipped {
        driver.publish([.init(0x8000, 6)])
        #expect(!driver.takeKick())
      }
      driver.publish([.init(0x8000, 6)])
      #expect(driver.takeKick())
    }
  }

  @Test("S8, K6: without EVENT_IDX the next buffer is notified of", arguments: RingLayout.allCases)
  func asksForTheNextNotification(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory, features: .indirectDescriptors)
    #expect(try !queue.enableNotifications(after: 15))
    driver.publish([.init(0x8000, 6)])
    #expect(driver.takeKick())
  }

  @Test(
    "S8, K6: a buffer that came before notifications were enabled is not overlooked",
    arguments: RingLayout.allCases, [Features.indirectDescriptors, eventIndex])
  func seesBuffersThatCameBeforeEnabling(_ layout: RingLayout, _ features: Features) throws {
    let (driver, queue) = try layout.makeQueue(memory, features: features)
    queue.disableNotifications()
    driver.publish([.init(0x8000, 6)])
    #expect(try queue.enableNotifications())
    try queue.useNext()
    #expect(try !queue.enableNotifications())
  }

  // MARK: Sizes and counters

  @Test(
    "S1, K1: sizes from 1 to 32768, used whole and around the end",
    arguments: RingLayout.allCases, [1, 2, 8, 256, 32768] as [UInt16])
  func takesAllSizes(_ layout: RingLayout, _ size: UInt16) throws {
    let (driver, queue) = try layout.makeQueue(memory, size: size)
    for round in 0..<2 {
      let ids = (0..<size).map { _ in UInt32(driver.publish([.init(0x80_0000, 1)])) }
      #expect(try queue.availableCount() == Int(size))
      var left = Int(size)
      while left > 0 {
        try gather(queue)
        for chain in list.chains { queue.complete(chain, written: 0) }
        left -= list.chains.count
      }
      #expect(queue.publish())
      #expect(driver.takeUsed().map(\.id) == ids, "round \(round)")
      #expect(try queue.availableCount() == 0)
    }
  }

  @Test(
    "Counters: chains and bytes both ways, interrupts, notifications, faults",
    arguments: RingLayout.allCases)
  func counts(_ layout: RingLayout) throws {
    let (driver, queue) = try layout.makeQueue(memory)
    driver.publish([.init(0x8000, 6), .init(0x8000, 4)])
    try queue.useNext()
    driver.publish([.init(0x8000, 100, writable: true)])
    try queue.useNext(.writable, written: 7)
    driver.publish([.init(0x8000, 100, writable: true)])
    try queue.useNext(.writable, written: 0)
    _ = queue.publish()
    queue.countNotification()
    driver.publish([.init(0x8000, 1, writable: true)])
    #expect(throws: QueueFault.self) { try queue.useNext(.readable) }
    var expected = QueueStatistics()
    expected.notificationCount = 1
    expected.interruptCount = 1
    expected.bufferCount = 3
    expected.byteCount = 17
    expected.faultCount = 1
    #expect(queue.statistics == expected)
  }
}
