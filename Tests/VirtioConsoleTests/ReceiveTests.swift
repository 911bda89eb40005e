import TestSupport
import Testing
import VirtioConsole

/// Host to guest.
@Suite struct ReceiveTests {
  private func makeDriver(openPorts: Bool = true, consoles: Set<Int> = []) throws
    -> MockConsoleDriver
  {
    let driver = try MockConsoleDriver(names: ["a", "b"], consoles: consoles)
    for chardev in driver.chardevs { chardev.connect() }
    driver.bringUp(openPorts: openPorts)
    return driver
  }

  @Test func bytesReachTheGuest() throws {
    let driver = try makeDriver()
    driver.offerReceiveBuffer(port: 1, slot: 0)
    driver.chardevs[0].send(Array("hello".utf8))
    #expect(driver.takeReceived(port: 1) == [Array("hello".utf8)])
    #expect(driver.device.portStatistics[0].bytesToGuest == 5)
  }

  @Test("O14: one message spans buffers, each filled before the next")
  func fillsBuffersInOrder() throws {
    let driver = try makeDriver()
    for slot in 0..<4 { driver.offerReceiveBuffer(port: 1, slot: slot, length: 3) }
    driver.chardevs[0].send(Array(0..<8))
    #expect(driver.takeReceived(port: 1) == [[0, 1, 2], [3, 4, 5], [6, 7]])
  }

  @Test("O8, H5: nothing is read from the client before the guest opens the port")
  func waitsForTheGuestToOpen() throws {
    let driver = try makeDriver(openPorts: false)
    driver.offerReceiveBuffer(port: 1, slot: 0)
    driver.chardevs[0].send([1, 2, 3])
    #expect(driver.chardevs[0].outgoing == [1, 2, 3])
    driver.sendControl(port: 1, event: 6, value: 1)
    #expect(driver.takeReceived(port: 1) == [[1, 2, 3]])
    driver.sendControl(port: 1, event: 6, value: 0)
    driver.offerReceiveBuffer(port: 1, slot: 1)
    driver.chardevs[0].send([4])
    #expect(driver.takeReceived(port: 1) == [])
    #expect(driver.chardevs[0].outgoing == [4])
  }

  @Test("O8: a console takes bytes at any time")
  func consoleTakesBytesUnopened() throws {
    let driver = try makeDriver(openPorts: false, consoles: [0])
    driver.offerReceiveBuffer(port: 0, slot: 0)
    driver.chardevs[0].send([1])
    #expect(driver.takeReceived(port: 0) == [[1]])
  }

  @Test("G12: a guest without buffers leaves the bytes with the client")
  func waitsForBuffers() throws {
    let driver = try makeDriver()
    driver.chardevs[0].send([UInt8](repeating: 7, count: 10))
    #expect(!driver.chardevs[0].wantsReadable)
    driver.offerReceiveBuffer(port: 1, slot: 0, length: 4)
    #expect(driver.takeReceived(port: 1) == [[7, 7, 7, 7]])
    #expect(driver.chardevs[0].outgoing.count == 6)
    for slot in 1..<7 { driver.offerReceiveBuffer(port: 1, slot: slot, length: 1) }
    #expect(driver.takeReceived(port: 1).joined().count == 6)
  }

  @Test("G10: buffers without a byte are returned, not looked at for ever")
  func emptyBuffers() throws {
    let driver = try makeDriver()
    for slot in 0..<5 { driver.offerReceiveBuffer(port: 1, slot: slot, length: 0) }
    driver.chardevs[0].send([1])
    driver.offerReceiveBuffer(port: 1, slot: 6, length: 8)
    #expect(Array(driver.takeReceived(port: 1).joined()) == [1])
  }

  @Test("A reset takes the buffers away; the client's bytes wait for the new driver")
  func resetWhileReceiving() throws {
    let driver = try makeDriver()
    driver.offerReceiveBuffer(port: 1, slot: 0, length: 4)
    driver.reset()
    driver.chardevs[0].send([1, 2, 3])
    #expect(driver.chardevs[0].outgoing == [1, 2, 3])
    #expect(!driver.chardevs[0].wantsReadable)
    driver.bringUp()
    driver.offerReceiveBuffer(port: 1, slot: 0)
    #expect(driver.takeReceived(port: 1) == [[1, 2, 3]])
  }

  @Test("One interrupt per batch with event index, none for a port that is idle")
  func notifiesPerBatch() throws {
    let driver = try makeDriver()
    for slot in 0..<16 { driver.offerReceiveBuffer(port: 1, slot: slot, length: 64) }
    _ = driver.notifier.takeUsed()
    driver.chardevs[0].send([UInt8](repeating: 1, count: 1000))
    #expect(driver.notifier.takeUsed() == [4])
  }
}
