import GuestMemory
import Host
import Synchronization
import TestSupport
import Testing
import Virtio
import VirtioConsole

/// Guests that change their mind in mid-transfer, or give the device work that never ends.
@Suite struct GreedyGuestTests {
  private static let buffer: UInt64 = 0x600_0000

  private func makeDriver(_ policy: PortPolicy = PortPolicy()) throws -> MockConsoleDriver {
    let driver = try MockConsoleDriver(names: ["a"], policy: policy)
    driver.chardevs[0].connect()
    driver.bringUp()
    return driver
  }

  /// Sends a chain of which the client takes half, and makes it shorter than that.
  private func shrinkHalfSentChain(_ driver: MockConsoleDriver) throws {
    let queue = try #require(driver.queues[MockConsoleDriver.receiveQueue(1) + 1])
    driver.chardevs[0].writeRoom = 500
    let head = queue.publish([.init(Self.buffer, 1000)])
    driver.kick(MockConsoleDriver.receiveQueue(1) + 1)
    #expect(driver.chardevs[0].received.count == 500)
    queue.writeDescriptor(head, address: Self.buffer, length: 1, flags: 0, next: 0)
  }

  @Test("G11: a half-sent chain that becomes shorter than what was sent, when its client leaves")
  func shrinksBeforeADiscard() throws {
    var policy = PortPolicy()
    policy.onHostClose = .discard
    let driver = try makeDriver(policy)
    try shrinkHalfSentChain(driver)
    driver.chardevs[0].disconnect()
    #expect(driver.device.portStatistics[0].bytesDiscarded == 0)
    driver.chardevs[0].writeRoom = .max
    driver.chardevs[0].connect()
    _ = driver.chardevs[0].takeReceived()
    driver.send([7], port: 1)
    #expect(driver.chardevs[0].received == [7])
  }

  @Test("G11: the same when the port is removed, and when the guest resets the device")
  func shrinksBeforeTheEnd() throws {
    let removed = try makeDriver()
    try shrinkHalfSentChain(removed)
    #expect(try removed.device.removePort(number: 1).bytesDiscarded == 0)
    let reset = try makeDriver()
    try shrinkHalfSentChain(reset)
    reset.reset()
    #expect(reset.device.portStatistics[0].bytesDiscarded == 0)
  }

  @Test("G12: control buffers too small for a message, given again as fast as they return")
  func tinyControlBuffersWithoutEnd() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.start(lastPort: 1)
    driver.sendControl(port: .max, event: 0, value: 1)
    let queue = try #require(driver.queues[ControlChannelQueue.receive])
    for slot in 0..<128 as Range<UInt16> {
      queue.writeDescriptor(slot, address: Self.buffer, length: 4, flags: 2, next: 0)
      queue.writeAvailable(slot: slot, head: slot)
      try driver.memory.store(UInt32.max, at: queue.usedRing + 4 + 8 * UInt64(slot))
    }
    try driver.memory.store(128 as UInt16, at: queue.availableRing + 2)
    let isOver = Flag()
    let guest = try giveAgain(
      driver.memory, used: queue.usedRing + 4, available: queue.availableRing + 2, until: isOver)
    driver.device.queueNotified(ControlChannelQueue.receive)
    let taken = queue.usedIndex
    isOver.value.store(true, ordering: .relaxed)
    guest.join()
    #expect(taken > 0 && taken <= 128, "one turn ends, whatever the guest does during it")
    #expect(driver.notifier.faults.isEmpty)
  }

  private final class Flag: Sendable {
    let value = Atomic<Bool>(false)
  }

  /// A guest that makes each buffer available again at once. Entry i of the used ring tells that buffer i
  /// has come back, long before the used index does. It gives up after three seconds.
  private func giveAgain(
    _ memory: GuestMemory, used: UInt64, available: UInt64, until isOver: Flag
  ) throws -> Thread {
    try Thread(name: "guest") {
      let end = MonotonicClock.now() &+ 3_000_000_000
      var count: UInt64 = 128
      while !isOver.value.load(ordering: .relaxed), MonotonicClock.now() < end {
        let entry = used + 8 * (count % 128)
        guard (try? memory.load(entry, as: UInt32.self)) != .max else { continue }
        try? memory.store(UInt32.max, at: entry)
        count += 1
        try? memory.store(UInt16(truncatingIfNeeded: count), at: available)
      }
    }
  }

  @Test(
    "G13: descriptors of no length use a turn up as bytes do, on either queue", arguments: [0, 1])
  func emptyDescriptors(direction: Int) throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.chardevs[0].connect()
    driver.start(lastPort: 1, queueSize: 128)
    driver.fillControlQueue()
    driver.sendControl(port: .max, event: 0, value: 1)
    for event: UInt16 in [3, 6] { driver.sendControl(port: 1, event: event, value: 1) }
    let index = MockConsoleDriver.receiveQueue(1) + direction
    let queue = try #require(driver.queues[index])
    let empty = MockQueue.Buffer(Self.buffer, 0, writable: direction == 0)
    for slot in 0..<128 {
      queue.publishIndirect(
        Array(repeating: empty, count: 1000), table: 0x700_0000 + UInt64(slot) * 0x4000)
    }
    if direction == 0 { driver.chardevs[0].sendUnnoticed([1]) }
    driver.device.queueNotified(index)
    // 256 KiB are worth about four tables of a thousand descriptors.
    #expect((1...8).contains(Int(queue.usedIndex)))
    for _ in 0..<10 { driver.settle() }
    #expect(queue.usedIndex == 128)
  }

  @Test("A queue that gets its port while stale buffers are being given back loses nothing new")
  func orphanQueueGetsAPort() throws {
    let driver = try MockConsoleDriver(names: [], lastPort: 1)
    driver.start(lastPort: 1, queueSize: 128)
    driver.fillControlQueue()
    driver.sendControl(port: .max, event: 0, value: 1)
    let index = MockConsoleDriver.receiveQueue(1) + 1
    let queue = try #require(driver.queues[index])
    for _ in 0..<128 { queue.publish([.init(Self.buffer, 1)]) }
    let chardev = ScriptedChardev()
    try driver.device.addPort(PortConfiguration(number: 1, name: "late"), chardev: chardev)
    chardev.connect()
    driver.memory.put(
      [1, 0, 0, 0, 3, 0, 1, 0, 1, 0, 0, 0, 6, 0, 1, 0], at: Self.buffer + 0x1000)  // ready, open
    let control = try #require(driver.queues[ControlChannelQueue.transmit])
    control.publish([.init(Self.buffer + 0x1000, 8)])
    control.publish([.init(Self.buffer + 0x1008, 8)])
    driver.device.queueNotified(ControlChannelQueue.transmit)
    driver.memory.put([42], at: Self.buffer + 0x2000)
    queue.publish([.init(Self.buffer + 0x2000, 1)])
    driver.settle()
    #expect(chardev.received == [42])
    #expect(driver.device.statistics.bytesToUnknownPorts == 128)
  }

  @Test("Without MULTIPORT, queues 2 and 3 belong to no port")
  func controlQueuesWithoutControl() throws {
    let driver = try MockConsoleDriver(names: ["a"], consoles: [0], numbers: [0: 0])
    driver.chardevs[0].connect()
    driver.start(lastPort: 0, features: [.version1, .ringReset])
    driver.device.lock.withLock {
      driver.controller.resetQueue(ControlChannelQueue.transmit)
      driver.setUpQueue(ControlChannelQueue.transmit, size: 128)
    }
    driver.settle()
    driver.send([42], port: 0)
    #expect(driver.chardevs[0].received == [42])
  }
}
