import GuestMemory
import Host
import Synchronization
import TestSupport
import Testing
import Virtio

/// Queues at random, on both layouts, against a model and against an attacker. Each prints the seed
/// by which a failure can be repeated.
@Suite struct RandomRingTests {
  /// An honest driver and a device take turns at random; the model is what the driver has sent.
  @Test(
    "S6–S8, K2–K6: a random honest driver gets every chain back, in order, and is told of it",
    arguments: RingLayout.allCases, [1, 2, 4, 16, 256] as [UInt16])
  func agreesWithTheModel(_ layout: RingLayout, _ size: UInt16) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    for features: Features in [[], [.eventIndex, .indirectDescriptors]] {
      var model = try RingModel(
        layout: layout, size: size, features: features, seed: seed)
      for step in 0..<3000 {
        try model.step()
        guard model.mismatch == nil else {
          Issue.record("\(model.mismatch ?? "") at step \(step), seed \(seed)")
          return
        }
      }
      try model.drain()
      #expect(model.mismatch == nil, "seed \(seed)")
      #expect(model.returnedCount > 100, "seed \(seed)")
    }
  }

  @Test(
    "G7–G9: random rings: every gather ends, in chains inside memory or in a fault",
    arguments: RingLayout.allCases)
  func survivesRandomRings(_ layout: RingLayout) throws {
    let end: UInt64 = 0x100_0000
    let memory = try GuestMemory(regions: [0..<end])
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let list = ChainBatch()
    var faults = 0
    var chains = 0
    var outside = 0
    for _ in 0..<3000 {
      let (driver, queue) = try layout.makeQueue(
        memory, size: [1, 2, 4, 8, 16].randomElement(using: &random) ?? 8)
      scramble(driver, end, &random)
      for _ in 0..<3 {
        list.removeAll()
        do { try queue.gather(.readable, into: list, byteLimit: .max) } catch { faults += 1 }
        let inside = list.segments.allSatisfy { segment in
          guard let base = segment.iov_base else { return false }
          return memory.regions.contains {
            base >= $0.hostAddress && base + segment.iov_len <= $0.hostAddress + Int($0.size)
          }
        }
        if !inside { outside += 1 }
        chains += list.chains.count
        for chain in list.chains { queue.complete(chain, written: 0) }
        _ = queue.publish()
        _ = try? queue.enableNotifications()
      }
    }
    #expect(outside == 0, "seed \(seed)")
    #expect(faults > 0 && chains > 0, "seed \(seed)")
  }

  private func scramble(
    _ driver: any DriverQueue, _ end: UInt64, _ random: inout SeededGenerator
  ) {
    for index in 0..<driver.size {
      let address = UInt64.random(in: 0..<(end + 0x1000), using: &random)
      let length = UInt32.random(in: 0..<0x2000, using: &random)
      let number = UInt16.random(in: 0...driver.size, using: &random)
      let flags = UInt16.random(in: 0..<9, using: &random)
      if let split = driver as? MockQueue {
        split.writeDescriptor(index, address: address, length: length, flags: flags, next: number)
        split.writeAvailable(slot: index, head: UInt16.random(in: 0...driver.size, using: &random))
      } else if let packed = driver as? MockPackedQueue {
        let marks: UInt16 = [0x80, 0x80, 0x80, 0x8000, 0].randomElement(using: &random) ?? 0
        packed.writeDescriptor(
          index, address: address, length: length, id: number, flags: flags | marks)
        packed.setDriverEvents(flags: flags, position: number)
      }
    }
    (driver as? MockQueue)?.setAvailableIndex(
      UInt16.random(in: 0...(driver.size + 1), using: &random))
  }

  @Test(
    "G11: descriptors rewritten while they are walked: what was checked is what is used",
    arguments: RingLayout.allCases)
  func fetchesOnce(_ layout: RingLayout) throws {
    let end: UInt64 = 0x100_0000
    let memory = try GuestMemory(regions: [0..<end])
    let (driver, queue) = try layout.makeQueue(memory, size: 4)
    let inside = MockQueue.Buffer(0x8000, 16)
    for _ in 0..<2 { driver.publish([inside, inside]) }
    let base = driver.configuration().descriptorTable
    var wrong = 0
    try withMutator(of: memory, base, outside: end) {
      let list = ChainBatch()
      for _ in 0..<4000 {
        list.removeAll()
        _ = try? queue.gather(.readable, into: list, byteLimit: .max)
        for segment in list.segments {
          guard let start = segment.iov_base, let region = memory.regions.first else { continue }
          let offset = start - region.hostAddress
          if offset != 0x8000 || segment.iov_len != 16 && segment.iov_len != 0x4000 { wrong += 1 }
        }
      }
    }
    #expect(wrong == 0)
  }

  /// Runs `body` while another thread keeps flipping the first descriptor's address between one that
  /// is in memory and one that is not, and its length between a small and a large one.
  private func withMutator(
    of memory: GuestMemory, _ entry: UInt64, outside: UInt64, _ body: () -> Void
  ) throws {
    let flag = Flag()
    let thread = try Thread(name: "mutator") {
      var flip = false
      while !flag.isSet.load(ordering: .relaxed) {
        try? memory.store(flip ? outside - 8 : UInt64(0x8000), at: entry)
        try? memory.store(flip ? UInt32(0x4000) : 16, at: entry + 8)
        flip.toggle()
      }
    }
    body()
    flag.isSet.store(true, ordering: .relaxed)
    thread.join()
  }

  private final class Flag: Sendable {
    let isSet = Atomic(false)
  }
}
