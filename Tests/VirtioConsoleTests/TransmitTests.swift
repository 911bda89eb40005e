import TestSupport
import Testing
import VirtioConsole

/// Guest to host.
@Suite struct TransmitTests {
  private func makeDriver(_ names: [String] = ["a"], consoles: Set<Int> = []) throws
    -> MockConsoleDriver
  {
    let driver = try MockConsoleDriver(names: names, consoles: consoles)
    for chardev in driver.chardevs { chardev.connect() }
    driver.bringUp()
    return driver
  }

  private func usedCount(_ driver: MockConsoleDriver, port: Int = 1) -> Int {
    driver.queues[MockConsoleDriver.receiveQueue(port) + 1]?.takeUsed().count ?? -1
  }

  @Test func bytesReachTheHostInOrder() throws {
    let driver = try makeDriver()
    for number in 0..<20 { driver.send(Array("line \(number)\n".utf8), port: 1, slot: number) }
    let expected = (0..<20).map { "line \($0)\n" }.joined()
    #expect(String(decoding: driver.chardevs[0].received, as: UTF8.self) == expected)
    #expect(usedCount(driver) == 20)
    #expect(driver.device.portStatistics[0].bytesToHost == UInt64(expected.utf8.count))
  }

  @Test("Several chains go in one write")
  func gathersChains() throws {
    let driver = try makeDriver()
    driver.chardevs[0].writeRoom = 0
    for number in 0..<10 { driver.send([UInt8(number)], port: 1, slot: number) }
    let calls = driver.chardevs[0].writeCalls
    driver.chardevs[0].takeMore(100)
    #expect(driver.chardevs[0].writeCalls == calls + 1)
    #expect(driver.chardevs[0].received == (0..<10).map { UInt8($0) })
  }

  @Test("H3, H4: what does not fit stays in the guest's queue and is resumed at every offset")
  func resumesPartialWrites() throws {
    let text = Array("The quick brown fox jumps over the lazy dog".utf8)
    for step in 1...7 {
      let driver = try makeDriver()
      let chardev = driver.chardevs[0]
      chardev.writeRoom = 0
      for (slot, part) in [text[..<5], text[5..<6], text[6...]].enumerated() {
        driver.send(Array(part), port: 1, slot: slot)
      }
      #expect(usedCount(driver) == 0, "nothing returned before it was taken")
      #expect(chardev.wantsWritable)
      var returned = 0
      while chardev.received.count < text.count {
        let before = chardev.received.count
        chardev.takeMore(step)
        try #require(chardev.received.count > before)
        returned += usedCount(driver)
      }
      #expect(chardev.received == text)
      #expect(returned == 3)
      #expect(!chardev.wantsWritable || chardev.writeRoom == 0)
    }
  }

  @Test("A blocked port holds no other back")
  func blocksOnlyItself() throws {
    let driver = try makeDriver(["a", "b"])
    driver.chardevs[0].writeRoom = 0
    driver.send([1, 2, 3], port: 1)
    driver.send([4, 5], port: 2, slot: 1)
    #expect(driver.chardevs[1].received == [4, 5])
    #expect(usedCount(driver, port: 1) == 0)
  }

  @Test("H8: what was queued when the client left waits for the next one, and is not repeated")
  func keepsQueuedBytesForTheNextClient() throws {
    let driver = try makeDriver()
    let chardev = driver.chardevs[0]
    chardev.writeRoom = 3
    driver.send([1, 2, 3, 4, 5], port: 1)
    driver.send([6, 7], port: 1, slot: 1)
    chardev.disconnect()
    #expect(chardev.takeReceived() == [1, 2, 3])
    chardev.writeRoom = .max
    chardev.connect()
    #expect(chardev.received == [4, 5, 6, 7])
    #expect(usedCount(driver) == 2)
  }

  @Test("O6: a console is never held back; what its backend does not take waits for it")
  func consoleIsNeverHeldBack() throws {
    let driver = try makeDriver(["con"], consoles: [0])
    let chardev = driver.chardevs[0]
    chardev.writeRoom = 2
    driver.send([1, 2, 3, 4, 5], port: 0)
    #expect(usedCount(driver, port: 0) == 1)
    chardev.disconnect()
    driver.send([6], port: 0, slot: 1)
    #expect(usedCount(driver, port: 0) == 1)
    #expect(chardev.takeReceived() == [1, 2])
    chardev.writeRoom = .max
    chardev.connect()
    #expect(chardev.received == [3, 4, 5, 6])
    #expect(driver.device.portStatistics[0].bytesDropped == 0)
  }

  @Test("G13: ten thousand empty chains are all given back, and nothing is written")
  func emptyChains() throws {
    let driver = try makeDriver()
    var used = 0
    for number in 1...10_000 {
      driver.send([], port: 1)
      if number % 16 == 0 { used += usedCount(driver) }
    }
    #expect(used == 10_000)
    #expect(driver.chardevs[0].received == [])
    #expect(driver.notifier.faults.isEmpty)
  }

  @Test("G15: data on a port whose guest side is closed, or not ready yet, still arrives")
  func sendsWhileClosed() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.chardevs[0].connect()
    driver.bringUp(openPorts: false)
    driver.send([1, 2], port: 1)
    #expect(driver.chardevs[0].received == [1, 2])
  }

  @Test("G4: a port whose queues were not set up is left alone")
  func missingQueues() throws {
    let driver = try MockConsoleDriver(names: ["a", "b"])
    driver.start(lastPort: 0)
    driver.fillControlQueue()
    driver.sendControl(port: .max, event: 0, value: 1)
    for port: UInt32 in 1...2 {
      driver.sendControl(port: port, event: 3, value: 1)
      driver.sendControl(port: port, event: 6, value: 1)
    }
    for chardev in driver.chardevs { chardev.connect() }
    for queue in 0..<70 { driver.kick(queue) }
    driver.chardevs[0].send([1])
    #expect(!driver.chardevs[0].wantsReadable)
    #expect(driver.notifier.faults.isEmpty)
  }
}
