import TestSupport
import Testing
import VirtioConsole

/// Bounded work for each port before the others have their turn.
@Suite struct FairnessTests {
  /// Bytes one port may move while others wait.
  private static let turn = 256 << 10

  private func makeDriver(_ count: Int) throws -> MockConsoleDriver {
    let driver = try MockConsoleDriver(names: (0..<count).map { "port.\($0)" })
    for chardev in driver.chardevs { chardev.connect() }
    driver.bringUp()
    return driver
  }

  private func received(_ driver: MockConsoleDriver) -> [Int] {
    driver.chardevs.map { $0.received.count }
  }

  @Test("One turn moves so much and no more; the rest follows turn by turn")
  func boundedTurns() throws {
    let driver = try makeDriver(1)
    driver.flood(port: 1, chains: 32)
    #expect(received(driver) == [Self.turn])
    for turns in 2...8 {
      driver.loop.turn(timeoutMilliseconds: 0)
      #expect(received(driver) == [turns * Self.turn])
    }
    driver.settle()
    #expect(received(driver) == [32 << 16])
  }

  @Test("Flooded ports go round; none gets a second turn before each has had its first")
  func roundRobin() throws {
    let driver = try makeDriver(4)
    for port in 1...4 { driver.flood(port: port, chains: 32) }
    #expect(received(driver) == [Self.turn, Self.turn, Self.turn, Self.turn])
    for step in 4..<32 {
      driver.loop.turn(timeoutMilliseconds: 0)
      let counts = received(driver).map { $0 / Self.turn }
      #expect(counts.reduce(0, +) == step + 1, "one port's turn for each of the loop's")
      #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1)
    }
  }

  @Test("A port's turns are as long as its weight says, a wrong one counting as the nearest")
  func weights() throws {
    let driver = try MockConsoleDriver(
      names: ["a", "b", "c", "d"], weights: [0: 64, 1: 1, 2: 0, 3: .max])
    for chardev in driver.chardevs { chardev.connect() }
    driver.bringUp()
    for port in 1...4 { driver.flood(port: port, chains: 32) }
    #expect(received(driver) == [1 << 20, 16 << 10, 16 << 10, 1 << 20])
    for _ in 0..<4 { driver.loop.turn(timeoutMilliseconds: 0) }
    #expect(received(driver) == [2 << 20, 32 << 10, 32 << 10, 2 << 20])
  }

  @Test("A port that has little to say is heard at once while others are flooded")
  func quietPort() throws {
    let driver = try makeDriver(4)
    for port in 1...3 { driver.flood(port: port, chains: 32) }
    driver.loop.turn(timeoutMilliseconds: 0)
    driver.queues[11]?.publish([.init(0x600_0000, 5)])
    driver.device.queueNotified(11)
    #expect(driver.chardevs[3].received.count == 5)
  }

  @Test("A flooded port that is notified of again gets no turn out of order, and no second place")
  func noSecondPlace() throws {
    let driver = try makeDriver(2)
    driver.flood(port: 1, chains: 32)
    driver.flood(port: 2, chains: 32)
    for _ in 0..<1000 { driver.device.queueNotified(5) }
    #expect(received(driver) == [Self.turn, Self.turn])
    for _ in 0..<14 { driver.loop.turn(timeoutMilliseconds: 0) }
    #expect(received(driver) == [32 << 16, 32 << 16], "14 turns of the loop for 14 turns of ports")
  }

  @Test("Host to guest: a flooding client gets its turns like the others")
  func floodingClient() throws {
    let driver = try makeDriver(2)
    for slot in 0..<20 { driver.offerReceiveBuffer(port: 1, slot: slot, length: 65536) }
    driver.chardevs[0].sendUnnoticed([UInt8](repeating: 1, count: 20 << 16))
    driver.chardevs[0].notifyReadable()
    let first = 20 << 16 - driver.chardevs[0].outgoing.count
    for _ in 0..<100 { driver.chardevs[0].notifyReadable() }
    #expect(driver.chardevs[0].outgoing.count > 0, "called again it does not get ahead")
    #expect(first > 0)
    driver.settle()
    #expect(driver.chardevs[0].outgoing.count == 0)
  }

  @Test("O5: control messages are taken before the next port's turn")
  func controlFirst() throws {
    let driver = try makeDriver(2)
    driver.flood(port: 1, chains: 32)
    driver.memory.put([2, 0, 0, 0, 6, 0, 0, 0], at: 0x600_0000)  // PORT_OPEN 0 of port 2
    driver.queues[ControlChannelQueue.transmit]?.publish([.init(0x600_0000, 8)])
    _ = driver.queues[ControlChannelQueue.transmit]?.takeUsed()
    driver.loop.turn(timeoutMilliseconds: 0)
    #expect(driver.queues[ControlChannelQueue.transmit]?.takeUsed().count == 1)
    #expect(!driver.device.statistics.ports[1].isOpenInGuest)
    #expect(driver.chardevs[0].received.count == 2 * Self.turn)
  }

  @Test("G14: control messages without end are taken in turns, and ports have theirs between")
  func controlFlood() throws {
    let driver = try makeDriver(1)
    driver.flood(port: 1, chains: 8)
    for _ in 0..<1000 {
      driver.sendControl((0..<128).map { _ in .init(1, 6, 1) })
      _ = driver.queues[ControlChannelQueue.transmit]?.takeUsed()
    }
    #expect(driver.chardevs[0].received.count == 8 << 16)
    #expect(driver.device.statistics.ignoredMessageCount == 0)
  }

  @Test("G13: a flood into a queue without a port is given back in turns, and grows nothing")
  func orphanFlood() throws {
    let driver = try MockConsoleDriver(names: ["a"], lastPort: 2)
    driver.bringUp()
    for _ in 0..<500 {
      for _ in 0..<32 { driver.queues[7]?.publish([.init(0x600_0000, 10)]) }
      for _ in 0..<10 { driver.device.queueNotified(7) }
      _ = driver.queues[7]?.takeUsed()
    }
    driver.settle()
    #expect(driver.device.statistics.bytesToUnknownPorts == 500 * 32 * 10)
    #expect(driver.notifier.faults.isEmpty)
  }
}
