import TestSupport
import Testing
import Virtio
import VirtioConsole

/// Guests that use a port's queues as they must not, or as no driver does (G10, G12, G13, G15; C11).
@Suite struct HostilePortTests {
  private static let address: UInt64 = 0x600_0000

  private func makeDriver(policy: PortPolicy = PortPolicy()) throws -> MockConsoleDriver {
    let driver = try MockConsoleDriver(names: ["a"], policy: policy)
    driver.chardevs[0].connect()
    driver.bringUp()
    return driver
  }

  private func expectAlive(_ driver: MockConsoleDriver) {
    _ = driver.chardevs[0].takeReceived()
    driver.send([1, 2], port: 1)
    #expect(driver.chardevs[0].received == [1, 2])
    driver.offerReceiveBuffer(port: 1, slot: 0)
    driver.chardevs[0].send([3])
    #expect(driver.takeReceived(port: 1).last == [3])
  }

  @Test(
    "C11, G10: buffers of the wrong direction are rejected, and a reset heals the device",
    arguments: [ControlChannelQueue.receive, ControlChannelQueue.transmit, 4, 5], [false, true])
  func wrongDirection(queue: Int, isMixed: Bool) throws {
    let driver = try makeDriver()
    let deviceWrites = queue % 2 == 0
    var buffers = [MockQueue.Buffer(Self.address, 64, writable: !deviceWrites)]
    if isMixed { buffers.append(.init(Self.address + 64, 64, writable: deviceWrites)) }
    // Those that came before have to be used up first.
    while queue == ControlChannelQueue.receive,
      driver.queues[queue]?.usedIndex != driver.queues[queue]?.availableIndex
    {
      driver.chardevs[0].disconnect()
      driver.chardevs[0].connect()
    }
    driver.memory.put([UInt8](repeating: 0x5a, count: 128), at: Self.address)
    driver.queues[queue]?.publish(buffers)
    driver.kick(queue)
    driver.chardevs[0].send([7])
    driver.chardevs[0].disconnect()
    driver.chardevs[0].connect()
    #expect(driver.notifier.faults == [QueueFault(queue: queue, violation: .wrongDirection)])
    #expect(
      driver.memory.bytes(at: Self.address, count: 128) == [UInt8](repeating: 0x5a, count: 128),
      "nothing was written")
    driver.reset()
    driver.bringUp()
    driver.offerReceiveBuffer(port: 1, slot: 3)
    #expect(driver.takeReceived(port: 1) == [[7]])
    expectAlive(driver)
  }

  @Test("G10: receive buffers of one byte each")
  func oneByteBuffers() throws {
    let driver = try makeDriver()
    driver.chardevs[0].send(Array(0..<100))
    var received: [UInt8] = []
    for slot in 0..<100 {
      driver.offerReceiveBuffer(port: 1, slot: slot, length: 1)
      received += driver.takeReceived(port: 1).joined()
    }
    #expect(received == Array(0..<100))
  }

  @Test("G13: chains of 128 KiB to a client that takes a few bytes at a time")
  func largeChains() throws {
    let driver = try makeDriver()
    let bytes = (0..<0x2_0000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    driver.memory.put(bytes, at: Self.address)
    driver.chardevs[0].writeRoom = 0
    for _ in 0..<3 {
      driver.queues[5]?.publish(
        (0..<8).map { .init(Self.address + 0x4000 * UInt64($0), 0x4000) })
    }
    driver.kick(5)
    var count = 0
    while driver.chardevs[0].wantsWritable, count < 1000 {
      driver.chardevs[0].takeMore(1 + count * 31)
      driver.settle()
      count += 1
    }
    #expect(driver.chardevs[0].received == bytes + bytes + bytes)
    #expect(driver.queues[5]?.takeUsed().count == 3)
  }

  @Test(
    "G14: buffers for control messages that hold less than any message are given back",
    arguments: 1...7)
  func tinyControlBuffers(length: Int) throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.chardevs[0].connect()
    driver.start(lastPort: 1)
    for _ in 0..<20 {
      driver.queues[2]?.publish([.init(Self.address, length, writable: true)])
    }
    driver.kick(2)
    driver.sendControl(port: .max, event: 0, value: 1)
    #expect(driver.queues[2]?.takeUsed().map(\.length) == Array(repeating: 0, count: 20))
    driver.fillControlQueue()
    driver.answerAdditions()
    expectAlive(driver)
  }

  @Test("G14, C7: host-only events from a guest change nothing", arguments: [1, 2, 4, 5, 7])
  func hostOnlyEvents(event: UInt16) throws {
    let driver = try makeDriver()
    let before = driver.device.statistics.ports
    for value: UInt16 in [0, 1, 0xffff] {
      driver.sendControl(port: 1, event: event, value: value)
    }
    #expect(driver.device.statistics.ignoredMessageCount == 3)
    #expect(driver.takeMessages() == [])
    #expect(driver.device.statistics.ports == before)
    expectAlive(driver)
  }

  @Test("G14: opening what is open and closing what is closed, with odd values")
  func redundantOpens() throws {
    let driver = try makeDriver()
    for value: UInt16 in [1, 2, 0xffff, 0, 0, 2] {
      driver.sendControl(port: 1, event: 6, value: value)
      #expect(driver.device.statistics.ports[0].isOpenInGuest == (value != 0))
    }
    expectAlive(driver)
  }

  @Test("G15: PORT_OPEN before PORT_READY means nothing; what is written then is passed on")
  func openBeforeReady() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.chardevs[0].connect()
    driver.start(lastPort: 1)
    driver.sendControl(port: 1, event: 6, value: 1)
    #expect(driver.device.statistics.ignoredMessageCount == 1)
    driver.offerReceiveBuffer(port: 1, slot: 0)
    driver.chardevs[0].send([1])
    #expect(driver.chardevs[0].outgoing == [1])
    driver.send([2], port: 1)
    #expect(driver.chardevs[0].received == [2])
  }

  @Test("G12: buffers withdrawn by a reset while the host sends; those that come back are filled")
  func withdrawnBuffers() throws {
    let driver = try makeDriver()
    driver.chardevs[0].send([UInt8](repeating: 9, count: 3000))
    var received = 0
    for _ in 0..<10 {
      for slot in 0..<4 { driver.offerReceiveBuffer(port: 1, slot: slot, length: 50) }
      received += driver.takeReceived(port: 1).joined().count
      driver.reset()
      driver.bringUp()
    }
    #expect(received == 2000)
    #expect(driver.chardevs[0].outgoing.count == 1000, "nothing is lost in between")
  }

  @Test("C17: a backend that is ready for nothing, again and again")
  func spuriousReadiness() throws {
    let driver = try makeDriver()
    let chardev = driver.chardevs[0]
    for slot in 0..<4 { driver.offerReceiveBuffer(port: 1, slot: slot) }
    chardev.writeRoom = 0
    driver.send([1, 2], port: 1)
    for _ in 0..<100 {
      chardev.delegate?.chardevIsReadable(chardev)
      chardev.delegate?.chardevIsWritable(chardev)
    }
    #expect(driver.device.statistics.ports[0].throttleCount == 1)
    #expect(driver.takeReceived(port: 1) == [])
    chardev.takeMore(.max)
    #expect(chardev.received == [1, 2])
    chardev.send([3])
    #expect(driver.takeReceived(port: 1) == [[3]])
  }

  @Test("C12, O14: a used transmit buffer says nothing was written to it; 32 KiB go in one buffer")
  func usedLengths() throws {
    let driver = try makeDriver()
    driver.send([UInt8](repeating: 1, count: 32768), port: 1)
    #expect(driver.queues[5]?.takeUsed().map(\.length) == [0])
    #expect(driver.chardevs[0].received.count == 32768)
    _ = driver.queues[3]?.takeUsed()
    driver.sendControl(port: 1, event: 6, value: 1)
    #expect(driver.queues[3]?.takeUsed().map(\.length) == [0])
  }

  @Test("C10, O8: a console works whether or not its driver says PORT_OPEN", arguments: [0, 1])
  func consoleOpens(value: UInt16) throws {
    let driver = try MockConsoleDriver(names: ["con"], consoles: [0])
    driver.chardevs[0].connect()
    driver.bringUp(openPorts: false)
    driver.sendControl(port: 0, event: 6, value: value)
    #expect(driver.device.statistics.ports[0].isOpenInGuest == (value == 1))
    driver.offerReceiveBuffer(port: 0, slot: 0)
    driver.chardevs[0].send([1])
    #expect(driver.takeReceived(port: 0) == [[1]])
    driver.send([2], port: 0)
    #expect(driver.chardevs[0].received == [2])
  }

  @Test(
    "G11: a client's bytes land on a ring, in any of its parts; a reset heals the device",
    arguments: [ControlChannelQueue.receive, ControlChannelQueue.transmit, 4, 5])
  func buffersOverRings(target: Int) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    var faults = 0
    for _ in 0..<20 {
      let driver = try makeDriver()
      let ring = try #require(driver.queues[target])
      let parts = [ring.descriptorTable, ring.availableRing, ring.usedRing]
      let part = try #require(parts.randomElement(using: &random))
      let length = Int.random(in: 1...600, using: &random)
      driver.queues[4]?.publish([.init(part, length, writable: true)])
      driver.kick(4)
      driver.chardevs[0].send((0..<length).map { _ in UInt8.random(in: 0...9, using: &random) })
      // Each queue is used again, the control queue by news of the client.
      driver.chardevs[0].disconnect()
      driver.chardevs[0].connect()
      for queue in 2...5 { driver.kick(queue) }
      faults += driver.notifier.faults.count
      driver.reset()
      driver.bringUp()
      for slot in 1...2 { driver.offerReceiveBuffer(port: 1, slot: slot) }
      expectAlive(driver)
    }
    #expect(faults > 0, "some of it must have broken a rule (seed \(seed))")
  }
}
