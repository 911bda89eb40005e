import TestSupport
import Testing
import VirtioConsole

/// What becomes of bytes when one side of a port is away, policy by policy.
@Suite struct PolicyTests {
  typealias Message = MockConsoleDriver.Message

  private func makeDriver(
    openPorts: Bool = true, _ change: (inout PortPolicy) -> Void = { _ in }
  ) throws -> MockConsoleDriver {
    var policy = PortPolicy()
    change(&policy)
    let driver = try MockConsoleDriver(names: ["a"], policy: policy)
    driver.chardevs[0].connect()
    driver.bringUp(openPorts: openPorts)
    return driver
  }

  private func usedCount(_ driver: MockConsoleDriver) -> Int {
    driver.queues[5]?.takeUsed().count ?? -1
  }

  private func discarded(_ driver: MockConsoleDriver) -> UInt64 {
    driver.device.portStatistics[0].bytesDiscarded
  }

  @Test("What the guest sent is what its backend took, and what was dropped and discarded")
  func sumsFit() throws {
    for policy in PortPolicy.OnHostClose.allCases {
      let driver = try makeDriver { $0.onHostClose = policy }
      let chardev = driver.chardevs[0]
      func expectSum(_ count: Int, _ location: SourceLocation = #_sourceLocation) {
        let report = driver.device.statistics.ports[0]
        let counters = report
        let sum = counters.bytesToHost + counters.bytesDropped + counters.bytesDiscarded
        #expect(sum == count, sourceLocation: location)
        #expect(report.transmitQueue.byteCount == sum, sourceLocation: location)
      }
      driver.send([UInt8](repeating: 1, count: 100), port: 1)
      expectSum(100)
      chardev.losesWrites = true
      driver.send([UInt8](repeating: 2, count: 200), port: 1)
      expectSum(300)
      #expect(driver.device.portStatistics[0].bytesDropped == 200)
      chardev.losesWrites = false
      // Half of it gets out before a reset takes the queue away.
      chardev.writeRoom = 150
      driver.send([UInt8](repeating: 3, count: 300), port: 1, slot: 1)
      driver.send([UInt8](repeating: 4, count: 400), port: 1, slot: 2)
      driver.reset()
      expectSum(1000)
      driver.bringUp()
      chardev.disconnect()
      driver.send([UInt8](repeating: 5, count: 50), port: 1)
      driver.device.detach()
      expectSum(1050)
    }
  }

  // MARK: on-host-close

  @Test(
    "H8, on-host-close=keep: what was queued waits for the next client, nothing is counted lost")
  func keep() throws {
    let driver = try makeDriver()
    let chardev = driver.chardevs[0]
    chardev.writeRoom = 1
    driver.send([1, 2, 3], port: 1)
    chardev.disconnect()
    driver.send([4], port: 1, slot: 1)
    #expect(usedCount(driver) == 0)
    chardev.writeRoom = .max
    chardev.connect()
    #expect(chardev.received == [1, 2, 3, 4])
    #expect(discarded(driver) == 0)
  }

  @Test("O9, on-host-close=discard: every buffer is returned before PORT_OPEN 0, and counted")
  func discard() throws {
    let driver = try makeDriver { $0.onHostClose = .discard }
    let chardev = driver.chardevs[0]
    chardev.writeRoom = 2
    driver.send([1, 2, 3, 4, 5], port: 1)
    for slot in 1..<20 { driver.send([9, 9], port: 1, slot: slot) }
    for queue in [2, 5] {
      driver.queues[queue]?.setUsedEvent(driver.queues[queue]?.usedIndex ?? 0)
    }
    _ = driver.notifier.takeUsed()
    chardev.disconnect()
    #expect(driver.notifier.takeUsed() == [5, 2], "the data queue before the control queue")
    #expect(usedCount(driver) == 20)
    #expect(driver.takeMessages() == [Message(1, 6, 0)])
    #expect(discarded(driver) == 3 + 38)
    driver.send([1, 2, 3, 4], port: 1)
    #expect(usedCount(driver) == 1, "nor does anything written later wait")
    #expect(discarded(driver) == 45)
    chardev.writeRoom = .max
    chardev.connect()
    driver.send([6], port: 1)
    #expect(
      chardev.takeReceived() == [1, 2, 6], "the next client gets the next write, from its start")
  }

  @Test("A backend is told each time that the guest is about to open its side")
  func hearsOfOpenings() throws {
    let driver = try makeDriver(openPorts: false)
    for value in [1, 1, 0, 0, 1] as [UInt16] {
      driver.sendControl(port: 1, event: 6, value: value)
    }
    #expect(driver.chardevs[0].frontEndOpenings == 2)
  }

  // MARK: early

  @Test("early=hold: a client's bytes wait until the guest opens the port")
  func hold() throws {
    let driver = try makeDriver(openPorts: false)
    driver.offerReceiveBuffer(port: 1, slot: 0)
    driver.chardevs[0].send([1, 2])
    driver.sendControl(port: 1, event: 6, value: 1)
    #expect(driver.takeReceived(port: 1) == [[1, 2]])
    #expect(discarded(driver) == 0)
  }

  @Test("early=drop: a client's bytes are thrown away while the guest has the port closed")
  func drop() throws {
    let driver = try makeDriver(openPorts: false) { $0.early = .drop }
    let chardev = driver.chardevs[0]
    for slot in 0..<3 { driver.offerReceiveBuffer(port: 1, slot: slot) }
    chardev.send([UInt8](repeating: 1, count: 100_000))
    #expect(chardev.outgoing == [])
    #expect(discarded(driver) == 100_000)
    driver.sendControl(port: 1, event: 6, value: 1)
    chardev.send([2])
    #expect(driver.takeReceived(port: 1) == [[2]])
    driver.sendControl(port: 1, event: 6, value: 0)
    chardev.send([3])
    #expect(discarded(driver) == 100_001)
    #expect(driver.device.portStatistics[0].bytesToGuest == 1)
  }

  @Test("early=drop: also before there is a driver, and when it has gone")
  func dropWithoutDriver() throws {
    var policy = PortPolicy()
    policy.early = .drop
    let driver = try MockConsoleDriver(names: ["a"], policy: policy)
    driver.settle()
    driver.chardevs[0].connect()
    driver.chardevs[0].send([1])
    #expect(discarded(driver) == 1)
    driver.bringUp()
    driver.reset()
    driver.chardevs[0].send([2, 3])
    #expect(discarded(driver) == 3)
  }

  @Test("early=drop: what arrived just before the guest opened is early as well")
  func dropJustBefore() throws {
    let driver = try makeDriver(openPorts: false) { $0.early = .drop }
    driver.offerReceiveBuffer(port: 1, slot: 0)
    driver.chardevs[0].sendUnnoticed([1])
    driver.sendControl(port: 1, event: 6, value: 1)
    #expect(driver.takeReceived(port: 1) == [])
    #expect(discarded(driver) == 1)
  }

  @Test("H5, early=drop: a flood is thrown away in turns, not in one go")
  func dropFlood() throws {
    let driver = try makeDriver(openPorts: false) { $0.early = .drop }
    driver.chardevs[0].sendUnnoticed([UInt8](repeating: 1, count: 1_000_000))
    driver.chardevs[0].notifyReadable()
    #expect(discarded(driver) > 0 && discarded(driver) < 500_000)
  }

  // MARK: on-guest-close

  private func close(_ driver: MockConsoleDriver) {
    driver.sendControl(port: 1, event: 6, value: 0)
  }

  @Test("on-guest-close=keep: the client notices nothing")
  func guestCloseKeep() throws {
    let driver = try makeDriver()
    close(driver)
    #expect(driver.chardevs[0].outputEnds == 0)
    #expect(driver.chardevs[0].disconnections == 0)
  }

  @Test("on-guest-close=shutdown: end of file, once the client has everything; it is still heard")
  func guestCloseShutdown() throws {
    let driver = try makeDriver { $0.onGuestClose = .shutdown }
    let chardev = driver.chardevs[0]
    chardev.writeRoom = 1
    driver.send([1, 2, 3], port: 1)
    close(driver)
    #expect(chardev.outputEnds == 0, "not before everything has been passed on")
    chardev.takeMore(.max)
    #expect(chardev.received == [1, 2, 3])
    #expect(chardev.outputEnds == 1)
    close(driver)
    #expect(chardev.outputEnds == 1)
    driver.sendControl(port: 1, event: 6, value: 1)
    driver.offerReceiveBuffer(port: 1, slot: 0)
    chardev.send([4])
    #expect(driver.takeReceived(port: 1) == [[4]])
    close(driver)
    #expect(chardev.outputEnds == 2, "once for each time the guest closes")
  }

  @Test("on-guest-close=close: the connection ends once the client has everything")
  func guestCloseClose() throws {
    let driver = try makeDriver { $0.onGuestClose = .close }
    let chardev = driver.chardevs[0]
    chardev.writeRoom = 0
    driver.send([1, 2, 3], port: 1)
    chardev.send([7, 7])
    close(driver)
    #expect(chardev.disconnections == 0)
    chardev.takeMore(.max)
    #expect(chardev.received == [1, 2, 3])
    #expect(chardev.disconnections == 1)
    #expect(discarded(driver) == 2, "what the client sent and the guest did not read")
    chardev.leaveIfAsked()
    #expect(driver.takeMessages() == [Message(1, 6, 0)])
    close(driver)
    #expect(chardev.disconnections == 1)
  }

  @Test("A guest that opens the port again takes its close back, if the client has not noticed")
  func guestReopens() throws {
    let driver = try makeDriver { $0.onGuestClose = .close }
    let chardev = driver.chardevs[0]
    chardev.writeRoom = 0
    driver.send([1], port: 1)
    close(driver)
    driver.sendControl(port: 1, event: 6, value: 1)
    chardev.takeMore(.max)
    #expect(chardev.received == [1])
    #expect(chardev.disconnections == 0)
  }

  @Test("O13: a reset is a close by the guest, told on the I/O thread", arguments: [true, false])
  func resetIsAClose(driverComesBackAtOnce: Bool) throws {
    let driver = try makeDriver { $0.onGuestClose = .close }
    driver.device.lock.withLock { driver.writeStatus([]) }
    #expect(driver.chardevs[0].disconnections == 0, "not on a vCPU's thread")
    if driverComesBackAtOnce { driver.start(lastPort: 1) } else { driver.settle() }
    #expect(driver.chardevs[0].disconnections == 1)
  }

  @Test("The end of the device, as at a reboot, is a close by the guest")
  func endIsAClose() throws {
    let driver = try makeDriver { $0.onGuestClose = .close }
    driver.device.detach()
    #expect(driver.chardevs[0].disconnections == 1)
    let other = try makeDriver(openPorts: false) { $0.onGuestClose = .close }
    other.device.detach()
    #expect(other.chardevs[0].disconnections == 0)
  }

  @Test("A port that was never open closes on no client")
  func neverOpen() throws {
    let driver = try makeDriver(openPorts: false) { $0.onGuestClose = .close }
    close(driver)
    driver.reset()
    #expect(driver.chardevs[0].disconnections == 0)
  }

  @Test("G15: open, write, close, again and again: one end of file each, all bytes in order")
  func openWriteCloseLoop() throws {
    let driver = try makeDriver { $0.onGuestClose = .shutdown }
    for cycle in 0..<1000 {
      driver.sendControl(port: 1, event: 6, value: 1)
      driver.send([UInt8(truncatingIfNeeded: cycle)], port: 1)
      close(driver)
    }
    #expect(driver.chardevs[0].outputEnds == 1000)
    #expect(driver.chardevs[0].received == (0..<1000).map { UInt8(truncatingIfNeeded: $0) })
  }
}
