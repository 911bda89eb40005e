import TestSupport
import Testing
import VirtioConsole

/// As many ports as a device can have.
@Suite struct ManyPortsTests {
  @Test("32766 ports all appear, all named; the first, a middle and the last one carry bytes")
  func everyPortThereCanBe() throws {
    let names = (0..<PortNumbers.portLimit).map { "port.\($0)" }
    let driver = try MockConsoleDriver(
      names: names, maximumPorts: PortNumbers.portLimit, consoles: [0], smallRings: true)
    for chardev in driver.chardevs { chardev.connect() }
    #expect(driver.device.queueCount == 65534)
    let seen = driver.bringUp()
    #expect(seen.filter { $0.event == 1 }.map(\.port) == (0..<32766).map { $0 })
    let named = seen.filter { $0.event == 7 }
    #expect(
      Dictionary(uniqueKeysWithValues: named.map { ($0.port, $0.payload) })
        == Dictionary(
          uniqueKeysWithValues: names.enumerated().map { (UInt32($0), Array($1.utf8)) }))
    #expect(seen.filter { $0.event == 6 && $0.value == 1 }.count == 32766)
    for port in [0, 1, 16383, 32765] {
      driver.offerReceiveBuffer(port: port, slot: port % 100)
      driver.chardevs[port].send([1, 2, 3])
      #expect(driver.takeReceived(port: port) == [[1, 2, 3]])
      driver.send([4, 5], port: port, slot: port % 100)
      #expect(driver.chardevs[port].received == [4, 5])
    }
    #expect(driver.notifier.faults.isEmpty)
  }

  @Test("Ports at the numbers they ask for, with room between them")
  func sparseNumbers() throws {
    let driver = try MockConsoleDriver(
      names: ["a", "b", "c"], maximumPorts: 1000, numbers: [0: 998, 2: 7], smallRings: true)
    for chardev in driver.chardevs { chardev.connect() }
    let seen = driver.bringUp()
    #expect(seen.filter { $0.event == 1 }.map(\.port) == [1, 7, 998])
    driver.send([9], port: 998)
    #expect(driver.chardevs[0].received == [9])
    driver.send([8], port: 7)
    #expect(driver.chardevs[2].received == [8])
  }
}
