import GuestMemory
import TestSupport
import Testing
import Virtio

/// Queues as an attacker would set them up, in either layout: each is refused by name.
@Suite struct HostileSetUpTests {
  static let memoryEnd: UInt64 = 0x100_0000
  static let highStart: UInt64 = 0x1_0000_0000
  let memory: GuestMemory

  init() throws {
    memory = try GuestMemory(
      regions: [0..<Self.memoryEnd, Self.highStart..<(Self.highStart + 0x10_0000)])
  }

  private func expectFault(
    _ violation: RingViolation, _ layout: RingLayout, _ configuration: QueueConfiguration,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(throws: QueueFault(queue: 5, violation: violation), sourceLocation: sourceLocation) {
      try Virtqueue(
        index: 5, configuration: configuration, features: layout.features, memory: memory)
    }
  }

  @Test("S1, K1, G1: sizes that are refused", arguments: RingLayout.allCases)
  func refusesSizes(_ layout: RingLayout) {
    let sizes: [UInt16] =
      layout == .split ? [0, 3, 6, 255, 257, 512, 32768] : [0, 257, 512, 32768, 65535]
    for size in sizes {
      var configuration = layout.makeDriver(memory, base: 0x1000, size: 8).configuration()
      configuration.size = size
      expectFault(.invalidSize(size), layout, configuration)
    }
  }

  @Test("S1, G2: misaligned parts")
  func refusesMisalignedRings() {
    let parts: [(WritableKeyPath<QueueConfiguration, UInt64>, RingViolation.RingPart, UInt64)] = [
      (\.descriptorTable, .descriptorTable, 8), (\.availableRing, .availableRing, 1),
      (\.usedRing, .usedRing, 2),
    ]
    for (path, part, offset) in parts {
      var configuration = MockQueue(memory: memory, base: 0x1000, size: 8).configuration()
      configuration[keyPath: path] += offset
      let address = configuration[keyPath: path]
      expectFault(.misaligned(part: part, address: address), .split, configuration)
    }
  }

  @Test(
    "G2: parts in a hole, in MMIO, over the end of memory, around 2^64",
    arguments: [
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
      expectFault(.ringOutsideMemory(part: part, address: address), .split, configuration)
    }
  }

  @Test("G2: a ring that ends with memory is fine")
  func acceptsARingThatEndsWithMemory() throws {
    var configuration = MockQueue(memory: memory, base: 0x1000, size: 8).configuration()
    configuration.usedRing = Self.memoryEnd - 72
    let split = try Virtqueue(index: 5, configuration: configuration, features: [], memory: memory)
    #expect(try !split.hasAvailable)
    var packed = MockPackedQueue(memory: memory, base: 0x1000, size: 8).configuration()
    packed.descriptorTable = Self.memoryEnd - 128
    packed.usedRing = Self.memoryEnd - 4
    let queue = try Virtqueue(
      index: 5, configuration: packed, features: RingLayout.packed.features, memory: memory)
    #expect(try !queue.hasAvailable)
  }

  @Test(
    "G2, G11: all parts of a ring over each other: every call ends", arguments: RingLayout.allCases)
  func survivesPartsOverEachOther(_ layout: RingLayout) throws {
    var configuration = layout.makeDriver(memory, base: 0x1000, size: 8).configuration()
    configuration.descriptorTable = 0x4000
    configuration.availableRing = 0x4000
    configuration.usedRing = 0x4000
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      for entry: UInt64 in 0..<16 {
        let rest = UInt64.random(in: 0...UInt64.max, using: &random) & 0x8087_0007_0000_00ff
        try memory.store(UInt64.random(in: 0..<0x8000, using: &random), at: 0x4000 + 16 * entry)
        try memory.store(rest, at: 0x4008 + 16 * entry)
      }
      let queue = try Virtqueue(
        index: 5, configuration: configuration, features: layout.features, memory: memory)
      for _ in 0..<50 {
        guard (try? queue.useNext()) != nil else { break }
        _ = queue.publish()
        _ = try? queue.enableNotifications()
        queue.disableNotifications()
      }
      #expect(
        queue.statistics.bufferCount <= 50 && queue.statistics.faultCount <= 2, "seed \(seed)")
    }
  }
}
