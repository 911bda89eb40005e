import Chardev
import Glibc
import TestSupport
import Testing
import VirtioConsole

/// A turn ends after so many calls and so much time, however little each call moves.
@Suite struct BoundedTurnTests {
  private static let milliseconds: Int64 = 1_000_000
  private static let buffer: UInt64 = 0x600_0000

  /// Ports on packets, whose queues have 128 entries. What each call takes is for the test to say.
  private func makeDriver(
    _ names: [String] = ["a"], openPorts: Bool = true, policy: PortPolicy = PortPolicy()
  ) throws -> MockConsoleDriver {
    let driver = try MockConsoleDriver(names: names, policy: policy)
    for chardev in driver.chardevs {
      chardev.packetLimit = 65536
      chardev.connect()
    }
    driver.start(lastPort: names.count, queueSize: 128)
    driver.fillControlQueue()
    driver.sendControl(port: .max, event: 0, value: 1)
    driver.answerAdditions(openPorts: openPorts)
    return driver
  }

  /// Makes 128 buffers of one byte available, without a notification.
  private func publish(_ driver: MockConsoleDriver, port: Int = 1) {
    let queue = driver.queues[MockConsoleDriver.receiveQueue(port) + 1]
    for _ in 0..<128 { queue?.publish([.init(Self.buffer, 1)]) }
  }

  /// Notifies of a port's buffers, without a turn of the loop.
  private func notify(_ driver: MockConsoleDriver, port: Int = 1) {
    driver.device.queueNotified(MockConsoleDriver.receiveQueue(port) + 1)
  }

  private func received(_ driver: MockConsoleDriver) -> [Int] {
    driver.chardevs.map { $0.received.count }
  }

  @Test("Guest to host: each packet counts for 4 KiB of a turn's 256 at least")
  func packetsOfOneByte() throws {
    let driver = try makeDriver()
    publish(driver)
    notify(driver)
    #expect(received(driver) == [64])
    driver.loop.turn(timeoutMilliseconds: 0)
    #expect(received(driver) == [128])
  }

  @Test("Guest to host: slow calls end a turn after a millisecond, and the rest follows")
  func slowCalls() throws {
    let driver = try makeDriver()
    driver.loop.clock.limit = Self.milliseconds
    driver.chardevs[0].callMicroseconds = 400
    publish(driver)
    driver.loop.clock.restart()
    notify(driver)
    #expect((1...5).contains(received(driver)[0]))
    driver.loop.turn(timeoutMilliseconds: 0)
    #expect((2...10).contains(received(driver)[0]))
    #expect(driver.loop.turn { received(driver) == [128] })
  }

  @Test("The ports of a turn share its time; one that finds none left has the next turn")
  func sharedTime() throws {
    let driver = try makeDriver(["a", "b", "c", "d"])
    driver.loop.clock.limit = 0
    driver.loop.clock.restart()
    for port in 1...4 {
      publish(driver, port: port)
      notify(driver, port: port)
    }
    #expect(received(driver)[0] > 0)
    #expect(received(driver)[2...] == [0, 0])
    for _ in 0..<4 { driver.loop.turn(timeoutMilliseconds: 0) }
    #expect(received(driver).allSatisfy { 1...16 ~= $0 }, "each has had a turn, and none many")
    #expect(driver.loop.turn { received(driver) == [128, 128, 128, 128] })
  }

  @Test("early=drop: each call that throws a byte away counts for 4 KiB, too")
  func discardsByteByByte() throws {
    var policy = PortPolicy()
    policy.early = .drop
    let driver = try makeDriver(openPorts: false, policy: policy)
    driver.chardevs[0].readLimit = 1
    driver.chardevs[0].sendUnnoticed([UInt8](repeating: 1, count: 1000))
    driver.chardevs[0].notifyReadable()
    #expect(driver.chardevs[0].outgoing.count == 1000 - 64)
    driver.loop.clock.limit = 0
    driver.loop.clock.restart()
    driver.chardevs[0].notifyReadable()
    #expect((1000 - 64 - 4..<1000 - 64).contains(driver.chardevs[0].outgoing.count))
  }

  @Test("What the guest leaves at its end has a deadline for all ports together")
  func lastFlush() throws {
    let driver = try makeDriver(["a", "b", "c"])
    for port in 1...3 {
      publish(driver, port: port)
      driver.chardevs[port - 1].callMicroseconds = 1000
    }
    driver.loop.clock.restart(nanoseconds: 4 * Self.milliseconds)
    #expect(driver.device.flush(isLast: true))
    #expect((3...8).contains(received(driver).reduce(0, +)))
    #expect(received(driver).allSatisfy { $0 > 0 })
  }

  @Test("A port that is removed passes on what it can in ten milliseconds, and counts the rest")
  func removal() throws {
    let driver = try makeDriver()
    publish(driver)
    driver.chardevs[0].callMicroseconds = 2000
    let report = try driver.device.removePort(number: 1)
    #expect((1...7).contains(received(driver)[0]))
    #expect(report.bytesToHost &+ report.bytesDiscarded == 128)
  }

  @Test("Control messages without end leave time for the loop's other work")
  func controlMessages() throws {
    let driver = try makeDriver()
    driver.loop.clock.limit = 0
    let queue = try #require(driver.queues[ControlChannelQueue.transmit])
    _ = queue.takeUsed()
    driver.memory.put([1, 0, 0, 0, 6, 0, 1, 0], at: Self.buffer)
    for _ in 0..<100 { queue.publish([.init(Self.buffer, 8)]) }
    driver.loop.clock.restart()
    driver.device.queueNotified(ControlChannelQueue.transmit)
    #expect((1...4).contains(queue.takeUsed().count))
    var taken = 4
    #expect(
      driver.loop.turn {
        taken += queue.takeUsed().count
        return taken >= 100
      })
  }

  @Test("A file that is full every 4 KiB does not begin all its successors in one turn")
  func rotations() throws {
    let directory = try TemporaryDirectory()
    var file = FileConfiguration(output: directory["log"])
    file.rotation = .init(size: 4096, count: 100)
    let driver = try MockConsoleDriver(names: [], lastPort: 1)
    let chardev = try ChardevOpener().open(ChardevConfiguration(.file(file)))
    try chardev.start(on: driver.loop)
    defer { chardev.stop() }
    try driver.device.addPort(PortConfiguration(name: "a"), chardev: chardev)
    driver.bringUp()
    driver.loop.clock.limit = 0
    driver.loop.clock.restart()
    driver.flood(port: 1, chains: 1)
    #expect((1...4).contains(directory.entries.count))
    #expect(driver.loop.turn { directory.entries.count == 16 })
  }
}
