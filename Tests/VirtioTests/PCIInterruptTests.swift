import Devices
import TestSupport
import Testing
import Virtio

/// How a virtio-pci function interrupts, by every way there is.
@Suite struct PCIInterruptTests {
  private func isr(_ driver: MockPCIDriver) -> UInt64 {
    driver.space.read(address: driver.address(3), width: 1)
  }

  @Test("P10, P15: with MSI-X the ISR still tells of configuration changes, and of these only")
  func statusWithMessages() throws {
    let driver = try MockPCIDriver()
    driver.enableMSIX(count: 2)
    driver.start()
    driver.device.driver?.notifyUsedBuffers(queue: 0)
    #expect(isr(driver) == 0)
    driver.device.driver?.notifyConfigurationChange()
    #expect(!driver.line.isAsserted)
    #expect(driver.function.readConfiguration(register: 6, width: 2) & 8 == 0)
    #expect(isr(driver) == 2)
    #expect(isr(driver) == 0)
  }

  @Test("P10, G18: the pin follows when the driver switches MSI-X on and off")
  func switchesMessages() throws {
    let driver = try MockPCIDriver()
    driver.start()
    driver.device.driver?.notifyUsedBuffers(queue: 0)
    #expect(driver.line.isAsserted)
    driver.enableMSIX(count: 1)
    #expect(!driver.line.isAsserted)
    driver.function.writeConfiguration(
      register: driver.messageCapability + 2, width: 2, value: 0)
    #expect(driver.line.isAsserted)
    #expect(driver.function.readConfiguration(register: 6, width: 2) & 8 != 0)
    driver.status = 0
    #expect(!driver.line.isAsserted)
  }

  @Test(
    "P12: one vector for each queue and one more, unless the user says otherwise",
    arguments: [(nil, 5), (1, 1), (2, 2), (2048, 2048), (5000, 2048)] as [(Int?, UInt32)])
  func vectorCounts(wanted: Int?, provided: UInt32) throws {
    let driver = try MockPCIDriver(options: .init(vectorCount: wanted))
    let control = driver.function.readConfiguration(
      register: driver.messageCapability + 2, width: 2)
    #expect(control & 0x7ff == provided - 1)
    driver.start()
    driver.setCommon(0x1a, 2, UInt64(provided))
    #expect(driver.common(0x1a, 2) == 0xffff)
    driver.setCommon(0x1a, 2, UInt64(provided - 1))
    #expect(driver.common(0x1a, 2) == UInt64(provided - 1))
  }

  @Test("P12: queues share a vector where the driver has only two")
  func sharedVector() throws {
    let driver = try MockPCIDriver(options: .init(vectorCount: 2))
    driver.enableMSIX(count: 2)
    driver.start()
    for queue: UInt64 in 0..<2 {
      driver.setCommon(0x16, 2, queue)
      driver.setCommon(0x1a, 2, 1)
      driver.device.driver?.notifyUsedBuffers(queue: Int(queue))
    }
    #expect(driver.router.routes.map(\.message) == [[0xfee0_0000, 0x41]])
    #expect(driver.router.routes.map(\.triggers) == [2])
  }

  @Test(
    "P12: without vectors there is no MSI-X capability, and INTx does it",
    arguments: [PCIInterface.modern, .transitional])
  func withoutVectors(interface: PCIInterface) throws {
    let driver = try MockPCIDriver(options: .init(interface: interface, vectorCount: 0))
    #expect(driver.messageCapability == 0)
    #expect(driver.structures.keys.sorted() == [1, 2, 3, 4, 5])
    driver.start()
    driver.setCommon(0x10, 2, 0)
    #expect(driver.common(0x10, 2) == 0xffff)
    driver.device.driver?.notifyUsedBuffers(queue: 0)
    #expect(driver.line.isAsserted)
    #expect(isr(driver) == 1)
  }

  @Test("P11: the largest device, of 32766 ports, takes no route until a queue interrupts")
  func largestDevice() throws {
    let driver = try MockPCIDriver(device: StubDevice(queueCount: 65534))
    #expect(driver.common(0x12, 2) == 65534)
    driver.enableMSIX(count: 2048)
    driver.negotiate()
    driver.enableQueue(65533, base: 0x1_0000)
    driver.setCommon(0x1a, 2, 2047)
    #expect(driver.common(0x1e, 2) == 65533)
    driver.status = 15
    #expect(driver.device.enabledQueues == [65533])
    #expect(driver.router.routes.isEmpty)
    driver.device.driver?.notifyUsedBuffers(queue: 65533)
    #expect(driver.router.routes.map(\.message) == [[0xfee0_0000, 0x40 + 2047]])
    driver.space.write(address: driver.address(2, 4 * 65533), width: 2, value: 65533)
    #expect(driver.notifiers.notifications == [65533])
  }

  @Test("P7: the generation moves exactly when a change lies between two readings")
  func generation() throws {
    let driver = try MockPCIDriver()
    let early = driver.common(0x15, 1)
    driver.device.changeConfiguration()
    #expect(driver.common(0x15, 1) != early, "before DRIVER_OK, too")
    driver.start()
    let first = driver.common(0x15, 1)
    #expect(driver.common(0x15, 1) == first)
    // As many changes as bring a plain count of eight bits round to where it was.
    for _ in 0..<256 { driver.device.changeConfiguration() }
    let second = driver.common(0x15, 1)
    #expect(second != first)
    #expect(driver.common(0x15, 1) == second)
    for _ in 0..<300 {
      let before = driver.common(0x15, 1)
      driver.device.changeConfiguration()
      #expect(driver.common(0x15, 1) == (before + 1) & 0xff)
    }
    let last = driver.common(0x15, 1)
    driver.status = 0
    #expect(driver.common(0x15, 1) == last)
  }

  @Test("P16: a conventional function: no PCI Express, power management or function reset")
  func conventionalFunction() throws {
    let driver = try MockPCIDriver()
    var ids: Set<UInt32> = []
    var at = Int(driver.function.readConfiguration(register: 0x34, width: 1))
    while at != 0 {
      ids.insert(driver.function.readConfiguration(register: at, width: 1))
      at = Int(driver.function.readConfiguration(register: at + 1, width: 1))
    }
    #expect(ids == [0x09, 0x11])
    #expect(driver.function.readConfiguration(register: 0x100, width: 4) == 0)
  }
}
