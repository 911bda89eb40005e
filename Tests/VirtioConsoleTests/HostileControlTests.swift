import TestSupport
import Testing
import Virtio
import VirtioConsole

/// G14, G15: what a hostile guest may say on the control queue, and break in any queue.
@Suite struct HostileControlTests {
  private func makeDriver() throws -> MockConsoleDriver {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.chardevs[0].connect()
    driver.bringUp()
    return driver
  }

  /// The device still does its job.
  private func expectAlive(_ driver: MockConsoleDriver) {
    driver.sendControl(port: 1, event: 6, value: 1)
    _ = driver.chardevs[0].takeReceived()
    driver.send([42], port: 1)
    #expect(driver.chardevs[0].received == [42])
    #expect(driver.notifier.faults.isEmpty)
  }

  @Test(arguments: 0...7)
  func shortMessages(length: Int) throws {
    let driver = try makeDriver()
    driver.sendControl(bytes: Array(repeating: 0, count: length))
    #expect(driver.device.statistics.ignoredMessageCount == 1)
    expectAlive(driver)
  }

  @Test func longMessages() throws {
    let driver = try makeDriver()
    driver.sendControl(bytes: [1, 0, 0, 0, 6, 0, 0, 0] + Array(repeating: 0xff, count: 30000))
    driver.offerReceiveBuffer(port: 1, slot: 0)
    driver.chardevs[0].send([1])
    #expect(driver.chardevs[0].outgoing == [1], "the port was closed by the first eight bytes")
    expectAlive(driver)
  }

  @Test func messageSplitOverDescriptors() throws {
    let driver = try makeDriver()
    driver.memory.put([1, 0, 0, 0, 6, 0, 0, 0], at: 0x600_0000)
    driver.queues[ControlChannelQueue.transmit]?.publish(
      (0..<8).map { .init(0x600_0000 + UInt64($0), 1) })
    driver.kick(ControlChannelQueue.transmit)
    driver.offerReceiveBuffer(port: 1, slot: 0)
    driver.chardevs[0].send([1])
    #expect(driver.chardevs[0].outgoing == [1])
    expectAlive(driver)
  }

  @Test(arguments: [0, 2, 31, 32, 0x7fff_ffff, 0xffff_ffff] as [UInt32])
  func portsThatAreNotThere(port: UInt32) throws {
    let driver = try makeDriver()
    for event: UInt16 in 3...7 {
      for value: UInt16 in [0, 1, 2, 0xffff] {
        driver.sendControl(port: port, event: event, value: value)
      }
    }
    #expect(driver.device.statistics.ignoredMessageCount == 20)
    expectAlive(driver)
  }

  @Test("Every event number with odd values, on a real port")
  func everyEvent() throws {
    let driver = try makeDriver()
    for event in Array(0...9) + [0xff, 0x8000, 0xffff] as [UInt16] {
      for value: UInt16 in [0, 1, 2, 0xffff] {
        driver.sendControl(port: 1, event: event, value: value)
        _ = driver.takeMessages()
      }
    }
    driver.sendControl(port: 1, event: 3, value: 1)
    expectAlive(driver)
  }

  @Test("PORT_READY and DEVICE_READY five thousand times each, without buffers for the answers")
  func spamWithoutBuffers() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.chardevs[0].connect()
    driver.start(lastPort: 1)
    for _ in 0..<5000 {
      driver.sendControl(port: .max, event: 0, value: 1)
      driver.sendControl(port: 1, event: 3, value: 1)
    }
    driver.fillControlQueue()
    let messages = driver.takeMessages()
    #expect(messages.map(\.event) == [7, 6], "what is pending did not pile up")
    expectAlive(driver)
  }

  @Test("A broken queue makes the device inert, says so once, and a reset heals it")
  func faultAndRecovery() throws {
    let driver = try makeDriver()
    driver.queues[5]?.publish(head: 99)
    driver.kick(5)
    #expect(driver.notifier.faults == [QueueFault(queue: 5, violation: .headOutOfRange(99))])
    #expect(driver.controller.status.contains(.needsReset))
    #expect(driver.notifier.configurationChanges == 1)
    driver.kick(5)
    driver.kick(ControlChannelQueue.transmit)
    driver.chardevs[0].disconnect()
    driver.chardevs[0].connect()
    driver.chardevs[0].send([1])
    #expect(driver.notifier.faults.count == 1, "inert: nothing is looked at any more")
    #expect(!driver.chardevs[0].wantsReadable)
    driver.reset()
    #expect(driver.controller.status == [])
    let messages = driver.bringUp()
    #expect(messages.last?.event == 6)
    driver.offerReceiveBuffer(port: 1, slot: 0)
    #expect(driver.takeReceived(port: 1) == [[1]])
    driver.send([42], port: 1)
    #expect(driver.chardevs[0].received == [42])
  }

  @Test("G5: ten thousand resets leave nothing behind")
  func manyResets() throws {
    let driver = try makeDriver()
    for _ in 0..<10_000 { driver.device.lock.withLock { driver.writeStatus([]) } }
    driver.reset()
    driver.bringUp()
    expectAlive(driver)
  }

  @Test("G6: kicks before DRIVER_OK, on queues that are not there, with nothing new")
  func strayKicks() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.chardevs[0].connect()
    for queue in [0, 1, 2, 3, 4, 5, 63, 64, 1000, -1] { driver.kick(queue) }
    driver.bringUp()
    for _ in 0..<100 { for queue in [0, 1, 4, 5, 64, -7, Int.max] { driver.kick(queue) } }
    expectAlive(driver)
  }

  @Test("G6: a kick between enabling and DRIVER_OK is not lost")
  func kickDuringActivation() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.chardevs[0].connect()
    driver.device.lock.withLock {
      for status: DeviceStatus in [
        [.acknowledge], [.acknowledge, .driver], [.acknowledge, .driver, .featuresOK],
      ] {
        if status.contains(.featuresOK) {
          driver.controller.accept(
            driver.controller.offeredFeatures.subtracting(.packedRing), within: .all)
        }
        driver.writeStatus(status)
      }
      for queue in 0..<6 { driver.setUpQueue(queue, size: 8) }
    }
    driver.send([1, 2, 3], port: 1)
    #expect(driver.chardevs[0].received == [], "not before DRIVER_OK (N5)")
    driver.device.lock.withLock {
      driver.writeStatus([.acknowledge, .driver, .featuresOK, .driverOK])
    }
    driver.settle()
    #expect(driver.chardevs[0].received == [1, 2, 3])
  }

  @Test("O12: without MULTIPORT there is port 0, open from the start, and nothing else")
  func withoutMultiport() throws {
    let driver = try MockConsoleDriver(names: ["a", "console"], consoles: [1])
    for chardev in driver.chardevs { chardev.connect() }
    driver.start(lastPort: 1, features: [.version1])
    driver.sendControl(port: .max, event: 0, value: 1)
    driver.send([1], port: 1)
    driver.send([2], port: 0)
    driver.offerReceiveBuffer(port: 0, slot: 0)
    driver.chardevs[1].send([3])
    #expect(driver.chardevs[0].received == [])
    #expect(driver.chardevs[1].received == [2])
    #expect(driver.takeReceived(port: 0) == [[3]])
    #expect(driver.notifier.faults.isEmpty)
  }
}
