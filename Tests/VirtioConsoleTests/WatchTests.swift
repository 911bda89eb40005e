import TestSupport
import Testing
import Virtio
import VirtioConsole

/// Queues that are looked at while the event loop stays awake, and ask for no notification.
@Suite struct WatchTests {
  private static let transmit = MockConsoleDriver.receiveQueue(1) + 1
  private static let receive = MockConsoleDriver.receiveQueue(1)

  private func makeDriver() throws -> MockConsoleDriver {
    let driver = try MockConsoleDriver(names: ["a", "b"])
    for chardev in driver.chardevs { chardev.connect() }
    // Without event indexes, so that the ring's flag says what the device wants.
    driver.bringUp(
      features: driver.controller.offeredFeatures.subtracting([.packedRing, .eventIndex]))
    driver.device.ringWatch = .polling
    return driver
  }

  /// Makes bytes available without a word to the device.
  private func publish(_ bytes: [UInt8], _ driver: MockConsoleDriver) {
    let address: UInt64 = 0x700_0000
    driver.memory.put(bytes, at: address)
    driver.queues[Self.transmit]?.publish([.init(address, bytes.count)])
  }

  private func wantsNotification(_ driver: MockConsoleDriver, _ queue: Int) -> Bool {
    driver.queues[queue].map { $0.usedFlags & 1 == 0 } ?? false
  }

  @Test func aLookPassesOnWhatCameWithoutNotification() throws {
    let driver = try makeDriver()
    driver.send([1, 2], port: 1)
    #expect(driver.device.isWatching)
    #expect(!wantsNotification(driver, Self.transmit))
    #expect(!driver.device.look(), "nothing has come yet")
    publish([3], driver)
    #expect(driver.device.look())
    #expect(driver.chardevs[0].received == [1, 2, 3])
    #expect(driver.device.isWatching, "and more may come")
  }

  @Test func standingDownAsksForNotifications() throws {
    let driver = try makeDriver()
    driver.send([1], port: 1)
    driver.send([2], port: 2, slot: 1)
    #expect(!driver.device.stopPolling())
    #expect(!driver.device.isWatching)
    for queue in [Self.transmit, Self.transmit + 2] { #expect(wantsNotification(driver, queue)) }
  }

  @Test("What comes at the last moment is not waited for in vain")
  func standingDownFindsWhatCameBefore() throws {
    let driver = try makeDriver()
    driver.send([1], port: 1)
    publish([2], driver)
    #expect(driver.device.stopPolling())
    #expect(driver.chardevs[0].received == [1, 2])
  }

  @Test func aStarvedPortTakesBuffersAsTheyCome() throws {
    let driver = try makeDriver()
    let chardev = driver.chardevs[0]
    driver.offerReceiveBuffer(port: 1, slot: 0, length: 2)
    chardev.send([1, 2, 3])
    #expect(driver.takeReceived(port: 1) == [[1, 2]])
    #expect(driver.device.isWatching)
    #expect(!wantsNotification(driver, Self.receive))
    #expect(!chardev.wantsReadable, "bytes without a place for them must not spin the loop")
    driver.queues[Self.receive]?.publish([.init(0x600_0000, 8, writable: true)])
    #expect(driver.device.look())
    #expect(driver.memory.bytes(at: 0x600_0000, count: 1) == [3])
    #expect(chardev.wantsReadable)
  }

  @Test func aStarvedPortStandsDown() throws {
    let driver = try makeDriver()
    driver.offerReceiveBuffer(port: 1, slot: 0, length: 2)
    driver.chardevs[0].send([1, 2])
    #expect(!driver.device.stopPolling())
    #expect(wantsNotification(driver, Self.receive))
    driver.chardevs[0].send([3])
    driver.offerReceiveBuffer(port: 1, slot: 1)
    #expect(driver.takeReceived(port: 1) == [[1, 2], [3]])
  }

  @Test("A blocked port is not looked at: its client has to move first")
  func watchesNoBlockedPort() throws {
    let driver = try makeDriver()
    driver.chardevs[0].writeRoom = 0
    driver.send([1], port: 1)
    publish([2], driver)
    #expect(!driver.device.look())
    driver.chardevs[0].takeMore(2)
    #expect(driver.chardevs[0].received == [1, 2])
  }

  @Test("A port that got blocked under watch is watched again once its client has moved")
  func watchesAgain() throws {
    let driver = try makeDriver()
    driver.send([1], port: 1)
    driver.chardevs[0].writeRoom = 0
    publish([2], driver)
    #expect(driver.device.look())
    #expect(!driver.device.isWatching)
    driver.chardevs[0].takeMore(10)
    #expect(driver.device.isWatching)
    publish([3], driver)
    #expect(driver.device.look())
    #expect(driver.chardevs[0].received == [1, 2, 3])
  }

  @Test func aResetEndsTheWatch() throws {
    let driver = try makeDriver()
    driver.send([1], port: 1)
    driver.reset()
    #expect(!driver.device.isWatching)
    #expect(!driver.device.look())
    #expect(!driver.device.stopPolling())
  }

  @Test func aRemovedPortIsNotLookedAt() throws {
    let driver = try makeDriver()
    driver.send([1], port: 1)
    try driver.device.removePort(number: 1)
    #expect(!driver.device.isWatching)
  }

  @Test("A guest that breaks a ring under watch makes the device inert, no more")
  func aFaultEndsTheWatch() throws {
    let driver = try makeDriver()
    driver.send([1], port: 1)
    let queue = try #require(driver.queues[Self.transmit])
    queue.setAvailableIndex(queue.availableIndex &+ 1000)
    _ = driver.device.look()
    #expect(!driver.device.isWatching)
    #expect(driver.notifier.faults.count == 1)
  }
}
