import Devices
import TestSupport
import Testing
import Virtio

/// P17: a function reaches memory, and sends messages, while its driver lets it be bus master.
@Suite struct BusMasterTests {
  private func setCommand(_ value: UInt32, _ driver: MockPCIDriver) {
    driver.function.writeConfiguration(register: 4, width: 2, value: value)
  }

  @Test("P17: the device may reach memory exactly while the bit is set")
  func followsTheBit() throws {
    let driver = try MockPCIDriver()
    #expect(driver.device.reachesMemory)
    for command: UInt32 in [3, 7, 2, 4, 0, 6] {
      setCommand(command, driver)
      #expect(driver.device.reachesMemory == (command & 4 != 0))
    }
  }

  @Test("P17: it is clear after power-on, until the driver sets it; a reset by status leaves it")
  func startsWithout() throws {
    let driver = try MockPCIDriver()
    setCommand(2, driver)
    driver.start()
    #expect(!driver.device.reachesMemory)
    setCommand(6, driver)
    driver.status = 0
    #expect(driver.device.reachesMemory)
    #expect(driver.function.readConfiguration(register: 4, width: 2) == 6)
  }

  @Test("P17: messages wait, pending, until the bit is set again, and are sent once")
  func holdsMessages() throws {
    let driver = try MockPCIDriver()
    driver.enableMSIX(count: 5)
    driver.start()
    driver.setCommon(0x10, 2, 3)
    setCommand(2, driver)
    driver.device.driver?.notifyConfigurationChange()
    driver.device.driver?.notifyConfigurationChange()
    #expect(driver.router.routes.allSatisfy { $0.triggers == 0 })
    setCommand(6, driver)
    #expect(driver.router.routes.map(\.triggers) == [1])
  }

  @Test("P17: pins are no writes to memory")
  func keepsPins() throws {
    let driver = try MockPCIDriver()
    driver.start()
    setCommand(2, driver)
    driver.device.driver?.notifyConfigurationChange()
    #expect(driver.line.isAsserted)
  }

  @Test("P17: a legacy driver that never sets the bit gets it, as in QEMU")
  func helpsLegacyDrivers() throws {
    let driver = try MockPCIDriver(options: .init(interface: .transitional))
    setCommand(3, driver)
    driver.setLegacy(18, 1, 1)
    #expect(!driver.device.reachesMemory)
    driver.startLegacy()
    #expect(driver.device.reachesMemory)
    #expect(driver.function.readConfiguration(register: 4, width: 2) == 7)
  }

  @Test("A function that was pulled out takes its interrupt along, and ignores what comes late")
  func unplugs() throws {
    let driver = try MockPCIDriver(options: .init(interface: .transitional))
    driver.start()
    driver.device.driver?.notifyUsedBuffers(queue: 0)
    #expect(driver.line.isAsserted)
    driver.function.unplug()
    #expect(!driver.line.isAsserted)
    #expect(driver.device.deactivations == 1)
    // An access that was on its way.
    driver.function.write(offset: 0x14, width: 1, value: 1)
    #expect(driver.function.read(offset: 0x14, width: 1) == 0)
    setCommand(7, driver)
    #expect(driver.space.read(address: driver.address(1, 0x14), width: 1) == 0xff)
  }
}
