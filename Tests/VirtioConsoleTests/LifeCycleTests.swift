import TestSupport
import Testing
import Virtio

@testable import VirtioConsole

/// Drivers that go and come back, other ones than before, or in the middle of everything.
@Suite struct LifeCycleTests {
  typealias Message = MockConsoleDriver.Message

  private func makeDriver(ports: Int = 1) throws -> MockConsoleDriver {
    let driver = try MockConsoleDriver(
      names: (0..<ports).map { "port.\($0)" } + ["con"], consoles: [ports])
    for chardev in driver.chardevs { chardev.connect() }
    return driver
  }

  private func expectEcho(_ driver: MockConsoleDriver, port: Int, _ chardev: ScriptedChardev) {
    _ = chardev.takeReceived()
    driver.send([1, 2], port: port)
    #expect(chardev.received == [1, 2])
    driver.offerReceiveBuffer(port: port, slot: port)
    chardev.send([3])
    #expect(driver.takeReceived(port: port).last == [3])
  }

  @Test("Unload and load: the same conversation each time, no stale open state")
  func driverReloads() throws {
    let driver = try makeDriver()
    let first = driver.bringUp()
    for _ in 0..<20 {
      driver.reset()
      #expect(driver.device.statistics.ports.allSatisfy { !$0.isOpenInGuest && $0.isOpenOnHost })
      #expect(driver.bringUp() == first)
      expectEcho(driver, port: 1, driver.chardevs[0])
    }
  }

  @Test("G12, O13: a reset in mid-transfer, both ways: partial buffers are dropped and counted")
  func resetInMidTransfer() throws {
    let driver = try makeDriver()
    driver.bringUp()
    let chardev = driver.chardevs[0]
    chardev.writeRoom = 2
    driver.send([1, 2, 3, 4, 5], port: 1)
    driver.offerReceiveBuffer(port: 1, slot: 0, length: 2)
    chardev.send([6, 7, 8])
    #expect(driver.takeReceived(port: 1) == [[6, 7]])
    driver.reset()
    chardev.writeRoom = .max
    #expect(driver.device.portStatistics[1].bytesDiscarded == 3)
    driver.bringUp()
    expectEchoAfterReset(driver, chardev)
  }

  private func expectEchoAfterReset(_ driver: MockConsoleDriver, _ chardev: ScriptedChardev) {
    driver.offerReceiveBuffer(port: 1, slot: 0)
    #expect(driver.takeReceived(port: 1) == [[8]], "what the client sent waits for the new driver")
    driver.send([9], port: 1)
    #expect(chardev.received == [1, 2, 9], "the new driver's bytes from their start")
  }

  @Test("A reset while turns are due: none of them is taken")
  func resetWithTurnsDue() throws {
    let driver = try makeDriver()
    driver.bringUp()
    driver.flood(port: 1, chains: 32)
    let before = driver.chardevs[0].received.count
    driver.reset()
    #expect(driver.chardevs[0].received.count == before)
    #expect(driver.device.portStatistics[1].bytesDiscarded == UInt64((32 << 16) - before))
    driver.bringUp()
    expectEcho(driver, port: 1, driver.chardevs[0])
  }

  @Test("O4, S3 and S4: PORT_READY and PORT_OPEN per known port, without DEVICE_READY")
  func sleep() throws {
    let driver = try makeDriver(ports: 3)
    driver.bringUp()
    for _ in 0..<5 {
      driver.reset()
      driver.start(lastPort: 3)
      driver.fillControlQueue()
      for port: UInt32 in 0...3 {
        driver.sendControl(port: port, event: 3, value: 1)
        if port != 2 { driver.sendControl(port: port, event: 6, value: 1) }
      }
      let messages = driver.takeMessages()
      #expect(messages.filter { $0.event == 1 } == [], "C7: the driver knows its ports")
      #expect(messages.filter { $0.event == 6 }.map(\.port) == [0, 1, 2, 3])
      #expect(driver.device.statistics.ports.map(\.isOpenInGuest) == [true, true, false, true])
      expectEcho(driver, port: 1, driver.chardevs[0])
    }
  }

  @Test("O4: a port that went while the driver slept is not there when it wakes")
  func removedDuringSleep() throws {
    let driver = try makeDriver(ports: 2)
    driver.bringUp()
    driver.reset()
    try driver.device.removePort(number: 2)
    driver.start(lastPort: 3)
    driver.fillControlQueue()
    for port: UInt32 in 0...2 { driver.sendControl(port: port, event: 3, value: 1) }
    #expect(Set(driver.takeMessages().map(\.port)) == [0, 1])
    driver.send([1], port: 2)
    #expect(driver.device.statistics.bytesToUnknownPorts == 1)
  }

  @Test("G5, O12: MULTIPORT, then a driver without it, then MULTIPORT again")
  func otherFeatures() throws {
    let driver = try makeDriver()
    let console = driver.chardevs[1]
    let first = driver.bringUp()
    for _ in 0..<3 {
      driver.reset()
      driver.start(lastPort: 1, features: [.version1])
      driver.fillControlQueue()
      driver.sendControl(port: .max, event: 0, value: 1)
      #expect(driver.takeMessages() == [], "there is no control channel")
      expectEcho(driver, port: 0, console)
      driver.send([1], port: 1)
      #expect(!driver.chardevs[0].wantsReadable)
      #expect(driver.device.statistics.ports.map(\.isOpenInGuest) == [true, false])
      driver.reset()
      _ = driver.chardevs[0].takeReceived()
      #expect(driver.bringUp() == first)
      expectEcho(driver, port: 1, driver.chardevs[0])
    }
  }

  @Test("Ten thousand resets of a driver that is fully up hold on to nothing")
  func manyResets() throws {
    let driver = try MockConsoleDriver(names: ["a"], smallRings: true)
    driver.chardevs[0].connect()
    for _ in 0..<10_000 {
      driver.start(lastPort: 1)
      driver.sendControl(port: .max, event: 0, value: 1)
      weak let queue = driver.device.table[1]?.transmit.slot.queue
      #expect(queue != nil)
      driver.reset()
      #expect(queue == nil)
    }
    driver.bringUp()
    expectEcho(driver, port: 1, driver.chardevs[0])
  }

  @Test("What no client has taken when the machine ends is counted")
  func endWithBytesQueued() throws {
    let driver = try makeDriver()
    driver.bringUp()
    driver.chardevs[0].writeRoom = 1
    driver.send([1, 2, 3], port: 1)
    #expect(driver.device.flush())
    driver.device.detach()
    #expect(driver.device.portStatistics[1].bytesDiscarded == 2)
    #expect(driver.chardevs.allSatisfy { $0.delegate == nil && !$0.wantsWritable })
  }

  @Test("N5, N6: nothing is touched before DRIVER_OK, nor after a fault")
  func inert() throws {
    let driver = try makeDriver()
    for chardev in driver.chardevs { chardev.sendUnnoticed([1]) }
    driver.settle()
    #expect(!driver.chardevs[0].wantsReadable && !driver.chardevs[1].wantsReadable)
    driver.bringUp()
    driver.offerReceiveBuffer(port: 1, slot: 0)
    driver.queues[5]?.publish(head: 99)
    driver.kick(5)
    let used = driver.notifier.takeUsed()
    driver.chardevs[0].send([2])
    driver.kick(4)
    #expect(driver.notifier.takeUsed() == [])
    #expect(!driver.chardevs[0].wantsReadable)
    withExtendedLifetime(used) {}
  }

  @Test("N7: after a reset no queue is touched, and no driver is interrupted")
  func leavesMemoryAlone() throws {
    let driver = try makeDriver()
    driver.bringUp()
    let chardev = driver.chardevs[0]
    chardev.writeRoom = 1
    driver.send([1, 2, 3], port: 1)
    for slot in 0..<4 { driver.offerReceiveBuffer(port: 1, slot: slot) }
    func memory() -> [[UInt8]] {
      // Rings of the ports and of the control channel, control buffers, receive buffers.
      [0x10_0000, 0x300_0000, 0x400_0000, 0x600_0000].map {
        driver.memory.bytes(at: $0, count: 0x1_0000)
      }
    }
    driver.reset()
    _ = driver.notifier.takeUsed()
    let before = memory()
    chardev.takeMore(.max)
    chardev.send([4, 5, 6])
    chardev.disconnect()
    chardev.connect()
    for queue in 0..<8 { driver.kick(queue) }
    #expect(memory() == before)
    #expect(driver.notifier.takeUsed() == [])
    #expect(chardev.received == [1])
  }
}
