import TestSupport
import Testing
import VirtioConsole

/// Ports that come and go while the guest runs.
@Suite struct HotPlugTests {
  typealias Message = MockConsoleDriver.Message

  /// A driver with port 1 and queues for ports up to 4.
  private func makeDriver(bringUp: Bool = true) throws -> MockConsoleDriver {
    let driver = try MockConsoleDriver(names: ["a"], lastPort: 4)
    driver.chardevs[0].connect()
    if bringUp { driver.bringUp() }
    return driver
  }

  private func plug(
    _ name: String, into driver: MockConsoleDriver, number: UInt32? = nil, connected: Bool = true
  ) throws -> ScriptedChardev {
    let chardev = ScriptedChardev()
    if connected { chardev.connect() }
    try driver.device.addPort(PortConfiguration(number: number, name: name), chardev: chardev)
    driver.settle()
    return chardev
  }

  private func expectEcho(_ driver: MockConsoleDriver, port: Int, _ chardev: ScriptedChardev) {
    _ = chardev.takeReceived()
    driver.send([1, 2], port: port)
    #expect(chardev.received == [1, 2])
    driver.offerReceiveBuffer(port: port, slot: port)
    chardev.send([3])
    #expect(driver.takeReceived(port: port).last == [3])
  }

  private func usedCount(_ driver: MockConsoleDriver, port: Int) -> Int {
    driver.queues[MockConsoleDriver.receiveQueue(port) + 1]?.takeUsed().count ?? -1
  }

  @Test("C9: a new port is announced like one that was there from the start, and works")
  func add() throws {
    let driver = try makeDriver()
    let chardev = try plug("b", into: driver)
    #expect(
      driver.answerAdditions() == [
        Message(2, 1, 1), Message(2, 7, 1, [98]), Message(2, 6, 1),
      ])
    expectEcho(driver, port: 2, chardev)
    #expect(driver.device.statistics.ports.map(\.number) == [1, 2])
  }

  @Test("A port added before the driver asks is announced once, with the others")
  func addBeforeDeviceReady() throws {
    let driver = try makeDriver(bringUp: false)
    let chardev = try plug("b", into: driver)
    let seen = driver.bringUp()
    #expect(seen.filter { $0.event == 1 } == [Message(1, 1, 1), Message(2, 1, 1)])
    expectEcho(driver, port: 2, chardev)
  }

  @Test("O4: a driver that came back from sleep is told of new ports")
  func addAfterSleep() throws {
    let driver = try makeDriver()
    driver.reset()
    driver.start(lastPort: 4)
    driver.fillControlQueue()
    driver.sendControl(port: 1, event: 3, value: 1)
    _ = driver.takeMessages()
    _ = try plug("b", into: driver)
    #expect(driver.takeMessages() == [Message(2, 1, 1)])
  }

  @Test("C7: nothing is announced for a port that could not be added")
  func refusals() throws {
    let driver = try makeDriver()
    for (number, error): (UInt32, PortError) in [
      (1, .numberTaken(1)), (0, .numberReserved), (31, .numberOutOfRange(maximum: 30)),
    ] {
      #expect(throws: error) { try plug("x", into: driver, number: number) }
    }
    #expect(throws: PortError.noSuchPort(2)) { try driver.device.removePort(number: 2) }
    #expect(throws: PortError.noSuchPort(.max)) { try driver.device.removePort(number: .max) }
    #expect(driver.takeMessages() == [])
    expectEcho(driver, port: 1, driver.chardevs[0])
  }

  @Test("C8: DEVICE_REMOVE for a port that is open, and nothing of it afterwards")
  func removeOpenPort() throws {
    let driver = try makeDriver()
    let chardev = driver.chardevs[0]
    try driver.device.removePort(number: 1)
    #expect(driver.takeMessages() == [Message(1, 2, 1)])
    #expect(chardev.delegate == nil && chardev.isConnected && !chardev.isStopped)
    #expect(!chardev.wantsReadable && !chardev.wantsWritable)
    chardev.disconnect()
    driver.sendControl(port: 1, event: 3, value: 1)
    driver.sendControl(port: 1, event: 6, value: 0)
    #expect(driver.takeMessages() == [])
    driver.send([1], port: 1)
    #expect(usedCount(driver, port: 1) == 1, "a late write is given back")
    #expect(driver.device.statistics.bytesToUnknownPorts == 1)
    #expect(driver.device.statistics.ports == [])
  }

  @Test("C8: no DEVICE_REMOVE for a port the guest never heard of")
  func removeUnannouncedPort() throws {
    let driver = try makeDriver(bringUp: false)
    driver.start(lastPort: 4)
    driver.sendControl(port: .max, event: 0, value: 1)  // there is no buffer for DEVICE_ADD
    _ = try plug("b", into: driver)
    try driver.device.removePort(number: 2)
    try driver.device.removePort(number: 1)
    driver.fillControlQueue()
    #expect(driver.takeMessages() == [])
  }

  @Test("A port that the guest could not set up is removed as well, and may be added again")
  func removeFailedPort() throws {
    let driver = try makeDriver(bringUp: false)
    driver.start(lastPort: 4)
    driver.fillControlQueue()
    driver.sendControl(port: .max, event: 0, value: 1)
    driver.sendControl(port: 1, event: 3, value: 0)
    _ = driver.takeMessages()
    try driver.device.removePort(number: 1)
    _ = try plug("a", into: driver, number: 1)
    #expect(driver.takeMessages() == [Message(1, 2, 1), Message(1, 1, 1)])
  }

  @Test("The same name and number again: a new port, on the queues the guest has")
  func sameAgain() throws {
    let driver = try makeDriver()
    driver.offerReceiveBuffer(port: 1, slot: 9)
    for _ in 0..<3 {
      try driver.device.removePort(number: 1)
      #expect(driver.takeMessages() == [Message(1, 2, 1)])
      let chardev = try plug("a", into: driver)
      chardev.send([7])
      #expect(chardev.outgoing == [7], "the guest has not opened the new port")
      #expect(
        driver.answerAdditions() == [
          Message(1, 1, 1), Message(1, 7, 1, [97]), Message(1, 6, 1),
        ])
      chardev.deliver()
      #expect(driver.takeReceived(port: 1) == [[7]])
      expectEcho(driver, port: 1, chardev)
      driver.offerReceiveBuffer(port: 1, slot: 9)
    }
  }

  @Test("O7: a removal the guest has no buffer for comes before the addition of that number")
  func removalBeforeAddition() throws {
    let driver = try MockConsoleDriver(names: ["a"], lastPort: 4)
    driver.start(lastPort: 4)
    driver.fillControlQueue(count: 1)
    driver.sendControl(port: .max, event: 0, value: 1)
    driver.sendControl(port: 1, event: 3, value: 1)  // PORT_NAME waits for a buffer
    for cycle in 0..<100 {
      try driver.device.removePort(number: 1)
      _ = try plug("again.\(cycle)", into: driver)
      // It means the old port, of which it believes that it is there.
      driver.sendControl(port: 1, event: 3, value: 1)
    }
    try driver.device.removePort(number: 1)
    _ = try plug("last", into: driver)
    #expect(driver.takeMessages() == [Message(1, 1, 1), Message(1, 2, 1), Message(1, 1, 1)])
    driver.sendControl(port: 1, event: 3, value: 1)
    #expect(driver.takeMessages().first == Message(1, 7, 1, Array("last".utf8)))
  }

  @Test("What a guest says of a port that is gone is not taken for the new one's")
  func lateWords() throws {
    let driver = try makeDriver()
    try driver.device.removePort(number: 1)
    let chardev = try plug("new", into: driver)
    driver.sendControl(port: 1, event: 6, value: 1)
    driver.send([1, 2, 3], port: 1)
    chardev.send([4])
    driver.offerReceiveBuffer(port: 1, slot: 1)
    #expect(chardev.received == [])
    #expect(chardev.outgoing == [4])
    #expect(driver.device.statistics.bytesToUnknownPorts == 3)
    driver.answerAdditions()
    chardev.deliver()
    #expect(driver.takeReceived(port: 1) == [[4]])
    driver.send([5], port: 1)
    #expect(chardev.received == [5])
  }

  @Test("O9: removed while throttled: buffers are returned before DEVICE_REMOVE, bytes counted")
  func removeThrottledPort() throws {
    let driver = try makeDriver()
    driver.chardevs[0].writeRoom = 3
    driver.send([1, 2, 3, 4, 5], port: 1)
    driver.send([6, 7], port: 1, slot: 1)
    #expect(driver.device.statistics.ports[0].isThrottled)
    driver.chardevs[0].writeRoom = 1
    _ = driver.notifier.takeUsed()
    for queue in [2, 5] {
      driver.queues[queue]?.setUsedEvent(driver.queues[queue]?.usedIndex ?? 0)
    }
    let report = try driver.device.removePort(number: 1)
    #expect(driver.notifier.takeUsed() == [5, 2], "first the data queue, then the control queue")
    #expect(driver.chardevs[0].received == [1, 2, 3, 4], "what the client takes is passed on")
    #expect(report.bytesToHost == 4)
    #expect(report.bytesDiscarded == 3)
    #expect(usedCount(driver, port: 1) == 2)
    #expect(driver.takeMessages() == [Message(1, 2, 1)])
    let chardev = try plug("a", into: driver)
    driver.answerAdditions()
    expectEcho(driver, port: 1, chardev)
  }

  @Test("Removed in mid-transfer, both ways; its neighbour never notices")
  func removeTransferringPort() throws {
    let driver = try makeDriver()
    let other = try plug("b", into: driver)
    driver.answerAdditions()
    for slot in 0..<8 { driver.offerReceiveBuffer(port: 1, slot: slot, length: 2) }
    driver.chardevs[0].send([UInt8](repeating: 5, count: 100))
    driver.chardevs[0].writeRoom = 0
    for slot in 0..<8 { driver.send([UInt8](repeating: 6, count: 100), port: 1, slot: slot) }
    let report = try driver.device.removePort(number: 1)
    #expect(report.bytesToGuest == 16)
    #expect(report.bytesDiscarded == 800)
    #expect(usedCount(driver, port: 1) == 8)
    expectEcho(driver, port: 2, other)
    #expect(driver.notifier.faults.isEmpty)
  }

  @Test("Removed with more turns due than it has had: none is taken any more")
  func removeFloodedPort() throws {
    let driver = try makeDriver()
    driver.flood(port: 1, chains: 16)
    try driver.device.removePort(number: 1)
    let taken = driver.chardevs[0].received.count
    driver.settle()
    #expect(driver.chardevs[0].received.count == taken)
    #expect(usedCount(driver, port: 1) == 16)
  }

  @Test("A port whose ring is broken can be removed; the device needs a reset as ever")
  func removeBrokenPort() throws {
    let driver = try makeDriver()
    driver.queues[5]?.publish(head: 77)
    try driver.device.removePort(number: 1)
    #expect(driver.notifier.faults.count == 1)
    let chardev = try plug("b", into: driver)
    driver.reset()
    driver.bringUp()
    expectEcho(driver, port: 1, chardev)
  }

  @Test("Without MULTIPORT the console goes and comes without a word")
  func consoleWithoutMultiport() throws {
    let driver = try MockConsoleDriver(names: ["con"], consoles: [0])
    driver.start(lastPort: 1, features: [.version1])
    try driver.device.removePort(number: 0)
    driver.send([1], port: 0)
    #expect(usedCount(driver, port: 0) == 1, "its driver would spin otherwise")
    let chardev = ScriptedChardev()
    chardev.connect()
    try driver.device.addPort(PortConfiguration(name: "", isConsole: true), chardev: chardev)
    expectEcho(driver, port: 0, chardev)
  }

  @Test("Ten thousand ports come and go, with a guest that listens and one that does not")
  func manyCycles() throws {
    let driver = try makeDriver()
    weak var last: ScriptedChardev?
    for cycle in 0..<10_000 {
      let chardev = try plug("cycle", into: driver)
      last = chardev
      if cycle < 100 { driver.answerAdditions() }
      try driver.device.removePort(number: 2)
    }
    #expect(last == nil, "nothing holds a port that is gone")
    let messages = driver.takeMessages().filter { $0.port == 2 }
    let known = messages.map(\.event).filter { [1, 2].contains($0) }
    #expect(
      zip(known, known.dropFirst()).allSatisfy { $0 != $1 }, "additions and removals alternate")
    #expect(known.last == 2)
    expectEcho(driver, port: 1, driver.chardevs[0])
    expectEcho(
      driver, port: 2,
      try { () throws in
        let chardev = try plug("b", into: driver)
        driver.answerAdditions()
        return chardev
      }())
  }
}
