import TestSupport
import Testing
import VirtioConsole

/// Where guest and I/O thread share a processor, a guest that streams notifies of several buffers at
/// once.
@Suite struct NotificationDelayTests {
  private static let transmit = MockConsoleDriver.receiveQueue(1) + 1

  private func makeDriver(consoles: Set<Int> = []) throws -> MockConsoleDriver {
    let driver = try MockConsoleDriver(names: ["a", "b"], consoles: consoles)
    for chardev in driver.chardevs { chardev.connect() }
    driver.bringUp(features: driver.controller.offeredFeatures.subtracting(.packedRing))
    driver.device.ringWatch = .severalEntries
    return driver
  }

  /// Makes a byte available, and notifies where the device has asked for it; returns whether it has.
  @discardableResult
  private func write(_ driver: MockConsoleDriver, port: Int = 1) -> Bool {
    let index = MockConsoleDriver.receiveQueue(port) + 1
    guard let queue = driver.queues[index] else { return false }
    let isNotified = queue.availableEvent == queue.availableIndex
    driver.memory.put([7], at: 0x700_0000)
    queue.publish([.init(0x700_0000, 1)])
    if isNotified { driver.kick(index) }
    return isNotified
  }

  /// Writes until a buffer needs no notification; returns how many it took, and none if none did.
  private func stream(_ driver: MockConsoleDriver, limit: Int = 10_000) -> Int? {
    (0..<limit).first { _ in !write(driver) }
  }

  private func count(_ driver: MockConsoleDriver) -> Int { driver.chardevs[0].received.count }

  /// Lets the loop run until a byte count is reached, ten seconds at most.
  private func waits(_ driver: MockConsoleDriver, for wanted: Int) -> Bool {
    for _ in 0..<10_000 where count(driver) < wanted { driver.loop.turn(timeoutMilliseconds: 1) }
    return count(driver) == wanted
  }

  @Test(
    "A stream notifies of 16 buffers at once, or of as many as a quarter of the queue holds, and one"
  )
  func aStreamNotifiesOfSeveralBuffers() throws {
    let driver = try makeDriver()
    let before = try #require(stream(driver))
    let skipped = min(15, try #require(driver.queues[Self.transmit]).size / 4)
    for _ in 1..<skipped { #expect(!write(driver)) }
    #expect(count(driver) == before)
    #expect(write(driver))
    #expect(count(driver) == before + Int(skipped) + 1)
  }

  @Test func theLastBuffersAreTakenWithoutNotification() throws {
    let driver = try makeDriver()
    let before = try #require(stream(driver))
    write(driver)
    #expect(waits(driver, for: before + 2))
  }

  @Test("Once a stream has ended, the next buffer is notified of")
  func theStreamEnds() throws {
    let driver = try makeDriver()
    let before = try #require(stream(driver))
    #expect(waits(driver, for: before + 1))
    for _ in 0..<10 { driver.loop.turn(timeoutMilliseconds: 2) }
    #expect(write(driver))
    #expect(count(driver) == before + 2)
  }

  @Test("A guest that writes only once its buffer is back waits ever less often")
  func aWaitingGuestIsSpared() throws {
    let driver = try makeDriver()
    var delayed = 0
    for number in 1...3000 {
      if !write(driver) { delayed += 1 }
      #expect(waits(driver, for: number))
    }
    #expect((1...9).contains(delayed), "8, 16, 32 and so on between them")
  }

  @Test func anAnswerIsNotDelayed() throws {
    let driver = try makeDriver()
    for number in 0..<100 {
      driver.offerReceiveBuffer(port: 1, slot: number % 64)
      driver.chardevs[0].send([1])
      driver.settle()
      #expect(write(driver))
    }
  }

  @Test("A console's driver spins until its buffer is back")
  func consolesAreNotDelayed() throws {
    let driver = try makeDriver(consoles: [0])
    for _ in 0..<100 { #expect(write(driver, port: 0)) }
  }

  @Test func nothingIsDelayedWhereTheProcessorIsOwn() throws {
    let driver = try makeDriver()
    driver.device.ringWatch = .everyEntry
    #expect(stream(driver, limit: 100) == nil)
  }

  @Test func aPauseDelaysNoLonger() throws {
    let driver = try makeDriver()
    let before = try #require(stream(driver))
    driver.device.pause()
    for _ in 0..<5 { driver.loop.turn(timeoutMilliseconds: 1) }
    #expect(count(driver) == before)
    driver.device.resume()
    driver.settle()
    #expect(count(driver) == before + 1)
    write(driver)
    #expect(waits(driver, for: before + 2))
  }

  @Test("Two streams are looked at by one timer, each within its time")
  func twoPortsStream() throws {
    let driver = try makeDriver()
    let before = try #require(stream(driver))
    _ = try #require((0..<10_000).first { _ in !write(driver, port: 2) })
    #expect(waits(driver, for: before + 1))
    let sent = driver.device.statistics.ports[1].transmitQueue.notificationCount + 1
    for _ in 0..<10_000 where driver.chardevs[1].received.count < Int(sent) {
      driver.loop.turn(timeoutMilliseconds: 1)
    }
    #expect(driver.chardevs[1].received.count == Int(sent))
  }

  @Test func otherDriversAndOtherPortsComeAfterIt() throws {
    let driver = try makeDriver()
    let before = try #require(stream(driver))
    driver.reset()
    driver.bringUp(features: driver.controller.offeredFeatures.subtracting(.packedRing))
    for _ in 0..<5 { driver.loop.turn(timeoutMilliseconds: 1) }
    #expect(write(driver))
    #expect(count(driver) == before + 1, "the reset took the last buffer away")
    #expect(stream(driver) != nil)
    try driver.device.removePort(number: 1)
    for _ in 0..<5 { driver.loop.turn(timeoutMilliseconds: 1) }
    #expect(write(driver, port: 2))
    #expect(driver.chardevs[1].received == [7])
  }
}
