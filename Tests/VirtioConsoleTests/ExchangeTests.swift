import TestSupport
import Testing
import VirtioConsole

/// A port whose backend is exchanged while the guest runs.
@Suite struct ExchangeTests {
  typealias Message = MockConsoleDriver.Message

  private func makeDriver(
    _ change: (inout PortPolicy) -> Void = { _ in }
  ) throws -> MockConsoleDriver {
    var policy = PortPolicy()
    change(&policy)
    let driver = try MockConsoleDriver(names: ["a"], policy: policy)
    driver.chardevs[0].connect()
    driver.bringUp()
    return driver
  }

  /// Gives port 1 a backend without a client.
  private func exchange(_ driver: MockConsoleDriver, connected: Bool = false) -> ScriptedChardev {
    let chardev = ScriptedChardev()
    if connected { chardev.connect() }
    driver.device.exchangeChardev(ofPort: 1, for: chardev)
    driver.settle()
    return chardev
  }

  private func usedCount(_ driver: MockConsoleDriver) -> Int {
    driver.queues[5]?.takeUsed().count ?? -1
  }

  @Test("The guest is told of a client that leaves and one that comes, and keeps its port")
  func closesAndOpens() throws {
    let driver = try makeDriver()
    let before = driver.chardevs[0]
    let after = exchange(driver)
    #expect(driver.takeMessages() == [Message(1, 6, 0)])
    #expect(before.delegate == nil && !before.wantsReadable && !before.wantsWritable)
    after.connect()
    #expect(driver.takeMessages() == [Message(1, 6, 1)])
    driver.send([1, 2], port: 1)
    #expect(after.received == [1, 2] && before.received.isEmpty)
    driver.offerReceiveBuffer(port: 1, slot: 0)
    after.send([3])
    #expect(driver.takeReceived(port: 1) == [[3]])
    before.disconnect()
    before.send([4])
    #expect(driver.takeMessages() == [])
    let third = exchange(driver, connected: true)
    #expect(driver.takeMessages() == [Message(1, 6, 0), Message(1, 6, 1)])
    driver.send([5], port: 1, slot: 1)
    #expect(third.received == [5])
    #expect(driver.device.portStatistics[0].connectionCount == 3)
  }

  @Test("on-host-close=keep: what the guest has queued is the new one's, from where it stood")
  func keepsWhatIsQueued() throws {
    let driver = try makeDriver()
    driver.chardevs[0].writeRoom = 1
    driver.send([1, 2, 3], port: 1)
    driver.send([4], port: 1, slot: 1)
    let after = exchange(driver)
    #expect(usedCount(driver) == 0)
    after.connect()
    #expect(driver.chardevs[0].received == [1] && after.received == [2, 3, 4])
    #expect(usedCount(driver) == 2)
    #expect(driver.device.portStatistics[0].bytesDiscarded == 0)
  }

  @Test("on-host-close=discard: it is returned before PORT_OPEN 0, and counted")
  func discardsWhatIsQueued() throws {
    let driver = try makeDriver { $0.onHostClose = .discard }
    driver.chardevs[0].writeRoom = 1
    driver.send([1, 2, 3], port: 1)
    let after = exchange(driver)
    #expect(usedCount(driver) == 1)
    after.connect()
    driver.send([4], port: 1, slot: 1)
    #expect(after.received == [4])
    #expect(driver.device.portStatistics[0].bytesDiscarded == 2)
  }

  @Test("In a pause nothing moves, and after it the new one gets everything")
  func waitsForThePausesEnd() throws {
    let driver = try makeDriver()
    driver.chardevs[0].writeRoom = 0
    driver.send([1], port: 1)
    driver.device.pause()
    let after = exchange(driver)
    after.connect()
    driver.settle()
    #expect(driver.takeMessages() == [] && after.received.isEmpty)
    driver.device.resume()
    driver.settle()
    #expect(driver.takeMessages() == [Message(1, 6, 0), Message(1, 6, 1)])
    #expect(after.received == [1])
  }

  @Test("A reset, a removal and a port that is not there")
  func goesOnAfterwards() throws {
    let driver = try makeDriver()
    driver.device.exchangeChardev(ofPort: 7, for: ScriptedChardev())
    let after = exchange(driver)
    driver.reset()
    after.connect()
    driver.bringUp()
    driver.send([1], port: 1)
    #expect(after.received == [1])
    try driver.device.removePort(number: 1)
    #expect(after.delegate == nil && !after.wantsReadable)
  }
}
