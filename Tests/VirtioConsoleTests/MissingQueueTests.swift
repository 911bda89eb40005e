import TestSupport
import Testing
import Virtio
import VirtioConsole

/// Drivers that set up some of the queues only.
@Suite struct MissingQueueTests {
  /// A driver that goes live without these queues, and does everything else by the book.
  private func makeDriver(without missing: Set<Int>) throws -> MockConsoleDriver {
    let driver = try MockConsoleDriver(names: ["a", "b"], lastPort: 2)
    for chardev in driver.chardevs { chardev.connect() }
    driver.device.lock.withLock {
      driver.writeStatus([.acknowledge])
      driver.writeStatus([.acknowledge, .driver])
      driver.controller.accept(
        driver.controller.offeredFeatures.subtracting(.packedRing), within: .all)
      driver.writeStatus([.acknowledge, .driver, .featuresOK])
      for queue in 0..<8 where !missing.contains(queue) { driver.setUpQueue(queue, size: 32) }
      driver.writeStatus([.acknowledge, .driver, .featuresOK, .driverOK])
    }
    driver.settle()
    driver.fillControlQueue()
    driver.sendControl(port: .max, event: 0, value: 1)
    driver.answerAdditions()
    return driver
  }

  private func expectEcho(_ driver: MockConsoleDriver, port: Int, _ chardev: ScriptedChardev) {
    driver.send([1, 2], port: port)
    #expect(chardev.received == [1, 2])
    for slot in 0..<2 { driver.offerReceiveBuffer(port: port, slot: slot) }
    chardev.send([3])
    #expect(driver.takeReceived(port: port).last == [3])
  }

  @Test(
    "G4: a port with one of its queues, or none, is no hindrance to the other",
    arguments: [[4], [5], [4, 5], [0, 1]] as [Set<Int>])
  func halfPorts(missing: Set<Int>) throws {
    let driver = try makeDriver(without: missing)
    if !missing.contains(5) {
      driver.send([9], port: 1)
      #expect(driver.chardevs[0].takeReceived() == [9])
    }
    if missing.contains(4) {
      driver.chardevs[0].send([8])
      #expect(driver.chardevs[0].outgoing == [8], "there is nowhere to put it")
    }
    for queue in 0..<8 { driver.kick(queue) }
    expectEcho(driver, port: 2, driver.chardevs[1])
    #expect(driver.notifier.faults.isEmpty)
  }

  @Test(
    "G4: MULTIPORT without the control queues: nothing happens, and a reset heals it",
    arguments: [[2], [3], [2, 3]] as [Set<Int>])
  func withoutControlQueues(missing: Set<Int>) throws {
    let driver = try makeDriver(without: missing)
    for chardev in driver.chardevs {
      chardev.disconnect()
      chardev.connect()
      chardev.send([1])
    }
    for queue in 0..<8 { driver.kick(queue) }
    #expect(driver.notifier.faults.isEmpty)
    driver.reset()
    driver.bringUp()
    expectEcho(driver, port: 1, driver.chardevs[0])
  }
}
