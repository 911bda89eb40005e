import GuestMemory
import TestSupport
import Testing
import Virtio

/// What only a packed ring has (virtio 1.2, 2.8).
@Suite struct PackedRingTests {
  let memory: GuestMemory
  let list = ChainBatch()

  init() throws { memory = try GuestMemory(regions: [0..<0x100_0000]) }

  private func makeQueue(
    size: UInt16 = 8, features: Features = .indirectDescriptors, start: UInt16 = 0x8000
  ) throws -> (MockPackedQueue, Virtqueue) {
    let driver = MockPackedQueue(
      memory: memory, base: 0x1000, size: size, start: start,
      usesEventIndex: features.contains(.eventIndex))
    let queue = try Virtqueue(
      index: 5, configuration: driver.configuration(maximumSize: 1 << 15),
      features: features.union(RingLayout.packed.features), memory: memory, start: start)
    return (driver, queue)
  }

  @Test(
    "K1: any size up to 32768, no larger", arguments: [3, 5, 6, 7, 100, 255, 32767] as [UInt16])
  func takesSizesThatAreNoPowerOfTwo(_ size: UInt16) throws {
    let (driver, queue) = try makeQueue(size: size)
    var random = SeededGenerator(seed: UInt64(size))
    var sent: [UInt32] = []
    var returned: [UInt32] = []
    for _ in 0..<(size < 1000 ? 50 : 4) {
      var free = Int(size)
      while free > 0 {
        let count = Int.random(in: 1...min(free, 64), using: &random)
        sent.append(UInt32(driver.publish(Array(repeating: .init(0x90_0000, 1), count: count))))
        free -= count
      }
      while try queue.useNext() != nil {}
      _ = queue.publish()
      returned += driver.takeUsed().map(\.id)
    }
    #expect(returned == sent)
    var tooLarge = driver.configuration(maximumSize: .max)
    tooLarge.size = 32769
    #expect(throws: QueueFault(queue: 5, violation: .invalidSize(32769))) {
      try Virtqueue(
        index: 5, configuration: tooLarge, features: RingLayout.packed.features, memory: memory)
    }
  }

  @Test("K2: available means AVAIL as the wrap counter and USED not, in either lap")
  func readsTheMarks() throws {
    for (start, wrapCounter) in [(0x8003, true), (0x0003, false)] as [(UInt16, Bool)] {
      for marks: UInt16 in [0, 0x80, 0x8000, 0x8080] {
        let (driver, queue) = try makeQueue(start: start)
        driver.writeDescriptor(3, address: 0x8000, length: 1, id: 1, flags: marks)
        let isAvailable = marks == (wrapCounter ? 0x80 : 0x8000)
        #expect(try queue.availableCount() == (isAvailable ? 1 : 0))
        #expect(try queue.enableNotifications() == isAvailable)
        #expect(try (queue.useNext() != nil) == isAvailable, "\(start) \(marks)")
      }
    }
  }

  @Test("K2: used entries carry the device's wrap counter twice, flipped after the last slot")
  func writesTheMarks() throws {
    let (driver, queue) = try makeQueue(size: 2)
    for (slot, marks) in [(0, 0x8080), (1, 0x8080), (0, 0), (1, 0), (0, 0x8080)]
      as [(UInt16, UInt16)]
    {
      driver.publish([.init(0x8000, 1)])
      try queue.useNext()
      _ = queue.publish()
      #expect(driver.flags(inSlot: slot) == marks)
      #expect(driver.takeUsed().count == 1)
    }
  }

  @Test("K3: one used entry for a list, in its first slot; the next list's goes behind its last")
  func skipsAsManySlotsAsTheListHas() throws {
    let (driver, queue) = try makeQueue()
    driver.publish([.init(0x8000, 1), .init(0x8000, 1), .init(0x8000, 1)])
    driver.publish([.init(0x8000, 1)])
    try queue.useNext()
    try queue.useNext()
    _ = queue.publish()
    let used = (0..<5).map { driver.flags(inSlot: $0) & 0x8080 == 0x8080 }
    #expect(used == [true, false, false, true, false])
  }

  @Test("K3: the first used entry of a batch is written last: until then the driver sees none")
  func publishesTheFirstLast() throws {
    let (driver, queue) = try makeQueue()
    for _ in 0..<3 { driver.publish([.init(0x8000, 1)]) }
    for _ in 0..<3 { try queue.useNext() }
    #expect((0..<3).map { driver.flags(inSlot: $0) } == [0x80, 0x8080, 0x8080])
    #expect(driver.takeUsed().isEmpty)
    _ = queue.publish()
    #expect(driver.takeUsed().count == 3)
  }

  @Test("K3: the id is that of the list's last descriptor")
  func takesTheLastID() throws {
    let (driver, queue) = try makeQueue()
    driver.writeDescriptor(1, address: 0x8000, length: 1, id: 0xbeef, flags: 0x80)
    driver.writeDescriptor(0, address: 0x8000, length: 1, id: 1, flags: 0x81)
    try queue.gather(.readable, into: list, byteLimit: .max)
    #expect(list.chains.map(\.id) == [0xbeef])
  }

  @Test("K4: WRITE in the used entry says whether anything was written")
  func marksWrittenBuffers() throws {
    let (driver, queue) = try makeQueue()
    for (slot, written) in [(0, 5), (1, 0)] as [(UInt16, UInt32)] {
      driver.publish([.init(0x8000, 10, writable: true)])
      try queue.useNext(.writable, written: written)
      _ = queue.publish()
      #expect((driver.flags(inSlot: slot) & 2 != 0) == (written > 0))
    }
  }

  @Test("K5: in a table only WRITE counts; entries follow each other whatever NEXT and id say")
  func ignoresTheRestOfATable() throws {
    let (driver, queue) = try makeQueue()
    for index: UInt16 in 0..<3 {
      driver.writeDescriptor(
        index, address: 0x8000, length: 2, id: 77 &* index, flags: [0, 1 | 4, 0x8080][Int(index)],
        table: 0xb000)
    }
    driver.writeDescriptor(0, address: 0xb000, length: 48, id: 9, flags: 0x80 | 4 | 2)
    try queue.gather(.readable, into: list, byteLimit: .max)
    #expect(list.byteCount == 6)
    #expect(list.chains.map(\.id) == [9])
  }

  @Test("K6: the device's own wish, with and without EVENT_IDX")
  func writesItsWish() throws {
    let (driver, queue) = try makeQueue()
    queue.disableNotifications()
    #expect(driver.deviceEventFlags == 1)
    _ = try queue.enableNotifications()
    #expect(driver.deviceEventFlags == 0)
    let (other, named) = try makeQueue(features: .eventIndex, start: 0x0007)
    other.publish([.init(0x8000, 1)])
    try named.useNext()
    #expect(try !named.enableNotifications())
    #expect(other.deviceEventFlags == 2)
    #expect(other.deviceEventPosition == 0x8000, "slot 0 of the next lap")
    named.disableNotifications()
    #expect(other.deviceEventFlags == 1)
  }

  @Test("K6: DISABLE holds with EVENT_IDX too; DESC without it, and 3, count as ENABLE")
  func readsTheDriversWish() throws {
    for features: Features in [.version1, .eventIndex] {
      for flags: UInt16 in 0..<8 {
        let (driver, queue) = try makeQueue(features: features)
        driver.setDriverEvents(flags: flags, position: 0x8005)
        driver.publish([.init(0x8000, 1)])
        try queue.useNext()
        let byPosition = flags & 3 == 2 && features == .eventIndex
        #expect(queue.publish() == (flags & 3 != 1 && !byPosition), "\(flags)")
      }
    }
  }

  @Test("K6, G7: an event position beyond the ring, or anything else, never traps")
  func survivesAnyEventPosition() throws {
    let (driver, queue) = try makeQueue(size: 3, features: .eventIndex)
    for position in stride(from: UInt16.min, to: .max, by: 251) {
      driver.setDriverEvents(flags: 2, position: position)
      driver.publish([.init(0x8000, 1)])
      try queue.useNext()
      let wasAsked = position & 0x7fff < 3
      if queue.publish() { #expect(wasAsked) }
      #expect(driver.takeUsed().count == 1)
    }
  }

  @Test("K1, G2: descriptors 16-aligned, event structures 4-aligned, all inside memory")
  func checksTheParts() throws {
    let parts: [(WritableKeyPath<QueueConfiguration, UInt64>, RingViolation.RingPart, UInt64)] = [
      (\.descriptorTable, .descriptorTable, 8), (\.availableRing, .driverEvents, 2),
      (\.usedRing, .deviceEvents, 2),
    ]
    let good = MockPackedQueue(memory: memory, base: 0x1000, size: 7).configuration()
    func expectFault(_ configuration: QueueConfiguration, _ violation: RingViolation) {
      #expect(throws: QueueFault(queue: 5, violation: violation)) {
        try Virtqueue(
          index: 5, configuration: configuration, features: RingLayout.packed.features,
          memory: memory)
      }
    }
    for (path, part, offset) in parts {
      var configuration = good
      configuration[keyPath: path] += offset
      expectFault(
        configuration, .misaligned(part: part, address: configuration[keyPath: path]))
      for address: UInt64 in [0x100_0000, 0xfee0_0000, .max - 15] {
        configuration[keyPath: path] = address
        expectFault(configuration, .ringOutsideMemory(part: part, address: address))
      }
    }
  }
}
