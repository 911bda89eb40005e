import TestSupport
import Testing
import Virtio

@testable import VirtioConsole

/// A device that holds still: nothing of the guest's is touched, and nothing is lost.
@Suite struct PauseTests {
  typealias Message = MockConsoleDriver.Message

  private func makeDriver(
    policy: PortPolicy = PortPolicy(), consoles: Set<Int> = []
  ) throws -> MockConsoleDriver {
    let driver = try MockConsoleDriver(names: ["a", "b"], consoles: consoles, policy: policy)
    for chardev in driver.chardevs { chardev.connect() }
    driver.bringUp()
    return driver
  }

  @Test("What the guest hands over stays in its queue until the device goes on")
  func holdsTransmitQueues() throws {
    let driver = try makeDriver()
    let before = driver.notifier.used.count
    driver.device.pause()
    driver.send([1, 2, 3], port: 1)
    #expect(driver.chardevs[0].received.isEmpty)
    #expect(driver.notifier.used.count == before)
    driver.device.resume()
    driver.settle()
    #expect(driver.chardevs[0].received == [1, 2, 3])
    #expect(driver.notifier.used.count == before + 1)
  }

  @Test("What clients send waits with them, and is not asked for")
  func holdsReceiveQueues() throws {
    let driver = try makeDriver()
    driver.offerReceiveBuffer(port: 1, slot: 0)
    driver.device.pause()
    driver.chardevs[0].send([1, 2])
    driver.settle()
    #expect(driver.takeReceived(port: 1) == [])
    #expect(!driver.chardevs[0].wantsReadable)
    driver.device.resume()
    driver.settle()
    #expect(driver.takeReceived(port: 1) == [[1, 2]])
  }

  @Test("Clients that come and go are told of afterwards, in order")
  func owesMessages() throws {
    let driver = try makeDriver()
    driver.device.pause()
    driver.chardevs[0].disconnect()
    driver.chardevs[1].disconnect()
    driver.chardevs[1].connect()
    driver.settle()
    #expect(driver.takeMessages() == [])
    driver.device.resume()
    driver.settle()
    #expect(driver.takeMessages() == [Message(1, 6, 0), Message(2, 6, 0), Message(2, 6, 1)])
  }

  @Test("O9: what a client left unread goes back before the guest hears that it has left")
  func discardsAfterwards() throws {
    var policy = PortPolicy()
    policy.onHostClose = .discard
    let driver = try makeDriver(policy: policy)
    driver.chardevs[0].writeRoom = 1
    driver.send([1, 2, 3], port: 1)
    driver.device.pause()
    driver.chardevs[0].disconnect()
    driver.chardevs[0].connect()
    driver.chardevs[0].writeRoom = .max
    driver.device.resume()
    driver.settle()
    #expect(driver.chardevs[0].received == [1], "the rest was for the client that left")
    #expect(driver.device.portStatistics[0].bytesDiscarded == 2)
    driver.send([4], port: 1)
    #expect(driver.chardevs[0].received == [1, 4])
  }

  @Test("O9: a client that left an earlier driver is no reason to discard from a later one")
  func owesNoDiscardAfterReset() throws {
    var policy = PortPolicy()
    policy.onHostClose = .discard
    let driver = try makeDriver(policy: policy)
    driver.device.pause()
    driver.chardevs[0].disconnect()
    driver.chardevs[0].connect()
    driver.reset()
    driver.device.resume()
    driver.bringUp()
    driver.chardevs[0].writeRoom = 1
    driver.send([1, 2, 3], port: 1)
    driver.device.pause()
    driver.chardevs[0].writeRoom = .max
    driver.device.resume()
    driver.settle()
    #expect(driver.chardevs[0].received == [1, 2, 3])
  }

  @Test("A console's size changes once it may be told")
  func hasPendingSize() throws {
    let driver = try makeDriver(consoles: [0])
    let before = driver.notifier.configurationChanges
    driver.device.pause()
    driver.chardevs[0].resize(columns: 100, rows: 40)
    driver.settle()
    #expect(driver.notifier.configurationChanges == before)
    #expect(driver.takeMessages() == [])
    driver.device.resume()
    driver.settle()
    #expect(driver.notifier.configurationChanges == before + 1)
    #expect(driver.takeMessages() == [Message(0, 5, 1, [100, 0, 40, 0])])
    driver.device.pause()
    driver.device.resume()
    driver.settle()
    #expect(driver.notifier.configurationChanges == before + 1, "told once")
  }

  @Test("Ports come and go in a pause: what the guest wrote is passed on, the messages wait")
  func plugsWhilePaused() throws {
    let driver = try makeDriver()
    driver.device.pause()
    driver.send([1], port: 1)
    try driver.device.removePort(number: 1)
    #expect(driver.chardevs[0].received == [1])
    try driver.device.addPort(PortConfiguration(number: 1, name: "c"), chardev: ScriptedChardev())
    driver.settle()
    #expect(driver.takeMessages() == [])
    driver.device.resume()
    driver.settle()
    #expect(driver.takeMessages() == [Message(1, 2, 1), Message(1, 1, 1)])
  }

  @Test("Pausing again and going on again change nothing; neither does either without a driver")
  func repeats() throws {
    let driver = try makeDriver()
    driver.device.resume()
    for _ in 1...2 { driver.device.pause() }
    driver.device.resume()
    driver.send([1], port: 1)
    #expect(driver.chardevs[0].received == [1])
    driver.reset()
    driver.device.pause()
    driver.device.resume()
    driver.bringUp()
    driver.send([2], port: 1)
    #expect(driver.chardevs[0].received == [1, 2])
  }

  @Test("Memory out of reach holds as a pause does, and both must end")
  func holdsForBothReasons() throws {
    let driver = try makeDriver()
    driver.device.lock.withLock { driver.device.setReachesMemory(false) }
    driver.device.pause()
    driver.send([1], port: 1)
    driver.device.lock.withLock { driver.device.setReachesMemory(true) }
    driver.settle()
    #expect(driver.chardevs[0].received.isEmpty)
    driver.device.resume()
    driver.settle()
    #expect(driver.chardevs[0].received == [1])
  }

  @Test("A flood with pauses between any two turns arrives whole")
  func losesNothing() throws {
    let driver = try makeDriver()
    driver.device.pause()
    driver.flood(port: 1, chains: 32)
    for _ in 1...100 {
      driver.device.resume()
      driver.loop.turn(timeoutMilliseconds: 0)
      driver.device.pause()
      driver.loop.turn(timeoutMilliseconds: 0)
    }
    driver.device.resume()
    driver.settle()
    #expect(driver.chardevs[0].received.count == 32 << 16)
  }
}
