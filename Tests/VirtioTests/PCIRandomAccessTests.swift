import Devices
import TestSupport
import Testing
import Virtio

/// A guest that does anything at all with a virtio-pci function.
@Suite struct PCIRandomAccessTests {
  @Test(
    "G3, G5, G6, G16–G18: random accesses never trap, and the device starts again after them",
    arguments: [PCIInterface.modern, .transitional, .legacy])
  func randomAccesses(interface: PCIInterface) throws {
    let driver = try MockPCIDriver(options: .init(interface: interface))
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<30_000 { access(driver, &random) }
    recover(driver, interface)
    if interface.hasModern {
      driver.status = 0
      driver.start()
      #expect(driver.status == 15, "seed \(seed)")
    }
    if interface.hasLegacy {
      driver.startLegacy()
      #expect(driver.legacy(18, 1) == 7, "seed \(seed)")
      #expect(driver.device.enabledQueues == [0, 1], "seed \(seed)")
    }
  }

  @Test("G17: decoding and bus mastering go off in the midst of I/O, and come back")
  func decodingOffDuringTransfers() throws {
    let driver = try MockPCIDriver()
    driver.start()
    for command: UInt32 in [0, 2, 4] {
      driver.function.writeConfiguration(register: 4, width: 2, value: command)
      #expect(driver.common(0x12, 2) == (command & 2 == 0 ? 0xffff : 4))
      driver.space.write(address: driver.address(2), width: 2, value: 0)
      driver.device.driver?.notifyUsedBuffers(queue: 0)
    }
    #expect(driver.notifiers.notifications == [0], "the one that was decoded")
    driver.enableDecoding()
    #expect(driver.status == 15)
    #expect(driver.space.read(address: driver.address(3), width: 1) == 1)
    driver.space.write(address: driver.address(2), width: 2, value: 0)
    #expect(driver.notifiers.notifications == [0, 0])
  }

  private func access(_ driver: MockPCIDriver, _ random: inout SeededGenerator) {
    let width = [1, 2, 4, 8].randomElement(using: &random) ?? 4
    let shift = UInt64.random(in: 0..<64, using: &random)
    let value = UInt64.random(in: 0...UInt64.max, using: &random) >> shift
    let address = MockPCIDriver.barAddress + UInt64.random(in: 0..<0x8000, using: &random)
    let port = UInt64.random(in: 0..<64, using: &random)
    switch Int.random(in: 0..<8, using: &random) {
    case 0: _ = driver.space.read(address: address, width: width)
    case 1: driver.space.write(address: address, width: width, value: value)
    case 2: driver.setCommon(UInt64.random(in: 0..<60, using: &random), width, value)
    case 3:
      let register = Int.random(in: 0..<64, using: &random) * 4
      _ = driver.function.readConfiguration(register: register, width: 4)
    case 4:
      let register = Int.random(in: 10..<64, using: &random) * 4
      driver.function.writeConfiguration(
        register: register, width: 4, value: UInt32(truncatingIfNeeded: value))
    case 5: _ = driver.legacy(port, min(width, 4))
    case 6: driver.setLegacy(port, min(width, 4), value)
    default: driver.device.driver?.notifyUsedBuffers(queue: Int(value % 7))
    }
  }

  /// Firmware and driver put the function back where the mock driver looks for it, MSI-X off.
  private func recover(_ driver: MockPCIDriver, _ interface: PCIInterface) {
    driver.function.writeConfiguration(
      register: driver.messageCapability + 2, width: 2, value: 0)
    driver.function.writeConfiguration(register: 4, width: 2, value: 0)
    driver.function.place(memory: MockPCIDriver.barAddress, ports: MockPCIDriver.portAddress)
    driver.enableDecoding()
  }
}
