import Devices
import GuestMemory
import TestSupport
import Testing
import Virtio

/// The legacy interface as a driver before virtio 1.0 sees it; the ids are those of the rules of
/// virtio 1.2, 4.1.4.10, 3.1.2, 2.7.2 and 6.3.
@Suite struct LegacyInterfaceTests {
  let driver: MockPCIDriver

  init() throws { driver = try MockPCIDriver(options: .init(interface: .transitional)) }

  private func configuration(_ register: Int, _ width: Int) -> UInt32 {
    driver.function.readConfiguration(register: register, width: width)
  }

  /// Hardware ids in vioser.inf (virtio-win, kvm-guest-drivers-windows): for the transitional device
  /// PCI\VEN_1AF4&DEV_1003&SUBSYS_00031AF4&REV_00, for the modern one
  /// PCI\VEN_1AF4&DEV_1043&SUBSYS_11001AF4&REV_01.
  @Test(
    "P1, P2: the ids that Windows' driver binds to",
    arguments: [
      (PCIInterface.modern, "VEN_1AF4&DEV_1043&SUBSYS_11001AF4&REV_01"),
      (.transitional, "VEN_1AF4&DEV_1003&SUBSYS_00031AF4&REV_00"),
      (.legacy, "VEN_1AF4&DEV_1003&SUBSYS_00031AF4&REV_00"),
    ])
  func hardwareID(interface: PCIInterface, expected: String) throws {
    let function = try MockPCIDriver(options: .init(interface: interface)).function
    func hex(_ register: Int, _ width: Int) -> String {
      let text = String(
        function.readConfiguration(register: register, width: width), radix: 16, uppercase: true)
      return String(repeating: "0", count: 2 * width - text.count) + text
    }
    #expect("VEN_\(hex(0, 2))&DEV_\(hex(2, 2))&SUBSYS_\(hex(0x2c, 4))&REV_\(hex(8, 1))" == expected)
    #expect(function.readConfiguration(register: 0x3d, width: 1) == 1)
  }

  @Test("L1, P17: BAR 0 is in I/O space, can be sized and moved, and obeys the command register")
  func portRegion() {
    #expect(configuration(0x10, 4) == UInt32(MockPCIDriver.portAddress) | 1)
    driver.function.writeConfiguration(register: 0x10, width: 4, value: 0xffff_ffff)
    #expect(configuration(0x10, 4) == 0xffff_ffe1)
    driver.function.writeConfiguration(register: 0x10, width: 4, value: 0xd000)
    #expect(driver.ports.read(address: 0xd000 + 12, width: 2) == 64)
    #expect(driver.legacy(12, 2) == 0xffff)
    driver.function.writeConfiguration(register: 4, width: 2, value: 6)
    #expect(driver.ports.read(address: 0xd000 + 12, width: 2) == 0xffff)
    #expect(driver.common(0x12, 2) == 4, "the memory BAR stays")
    #expect(
      driver.notifiers.places(.indexPort) == [0xc010, nil, 0xd010, nil])
  }

  @Test("L1: the registers; queue size is read only, and zero for a queue that is not there")
  func registers() {
    driver.setLegacy(14, 2, 3)
    #expect(driver.legacy(14, 2) == 3)
    #expect(driver.legacy(12, 2) == 64)
    driver.setLegacy(12, 2, 8)
    #expect(driver.legacy(12, 2) == 64)
    driver.setLegacy(8, 4, 0x123)
    #expect(driver.legacy(8, 4) == 0x123)
    driver.setLegacy(14, 2, 2)
    #expect(driver.legacy(8, 4) == 0)
    driver.setLegacy(14, 2, 4)
    #expect(driver.legacy(12, 2) == 0)
    driver.setLegacy(8, 4, 0x123)
    #expect(driver.legacy(8, 4) == 0)
    driver.setLegacy(18, 1, 1)
    #expect(driver.legacy(18, 1) == 1)
    #expect(driver.legacy(16, 2) == 0)
    #expect(driver.legacy(12, 4) == 4 << 16)
  }

  @Test("L2, C4: the device configuration lies at 20, at 24 while MSI-X is on, at any width")
  func deviceConfiguration() {
    func check(at start: UInt64) {
      for width in [1, 2, 4] {
        for offset: UInt64 in 0..<8 where start + offset + UInt64(width) <= 32 {
          var expected: UInt64 = 0
          for index in 0..<UInt64(width) where offset + index < 6 {
            expected |= (offset + index + 1) << (8 * index)
          }
          #expect(driver.legacy(start + offset, width) == expected, "\(width) at \(offset)")
        }
      }
    }
    check(at: 20)
    driver.enableMSIX(count: 1)
    check(at: 24)
    #expect(driver.legacy(20, 4) == 0xffff_ffff, "two vectors")
    driver.setLegacy(26, 2, 0xbbaa)
    driver.setLegacy(29, 2, 0xffff)
    #expect(driver.device.configuration == [1, 2, 0xaa, 0xbb, 5, 6])
    driver.device.configuration = [1, 2, 3, 4, 5, 6]
    driver.function.writeConfiguration(
      register: driver.messageCapability + 2, width: 2, value: 0)
    check(at: 20)
  }

  @Test("L3, L6: 32 feature bits, with ANY_LAYOUT, never bit 30; VERSION_1 is not acknowledged")
  func features() {
    let offered = driver.legacy(0, 4)
    #expect(offered == 1 << 27 | 0x3000_0021)
    driver.setLegacy(0, 4, 0)
    #expect(driver.legacy(0, 4) == offered)
    driver.startLegacy(features: 0xffff_ffff)
    #expect(driver.legacy(4, 4) == offered)
    #expect(driver.device.activations.map(\.rawValue) == [offered])
    driver.setLegacy(4, 4, 0)
    #expect(driver.legacy(4, 4) == offered, "fixed once the device is used")
    #expect(driver.common(0x04, 4) == offered, "L6: both interfaces offer it")
  }

  @Test("L4: no FEATURES_OK, and configuration may be written before features")
  func status() {
    driver.setLegacy(18, 1, 1)
    driver.setLegacy(20, 1, 9)
    #expect(driver.device.configuration[0] == 9)
    driver.setLegacy(18, 1, 11)
    #expect(driver.legacy(18, 1) == 3)
    #expect(driver.device.activations.isEmpty)
    driver.setLegacyQueue(1, page: 0x20)
    driver.setLegacy(18, 1, 7)
    #expect(driver.legacy(18, 1) == 7)
    #expect(driver.device.activations == [[]])
    #expect(driver.device.enabledQueues == [1])
    driver.setLegacy(18, 1, 0)
    #expect(driver.legacy(18, 1) == 0)
    #expect(driver.legacy(8, 4) == 0)
    #expect(driver.device.deactivations == 1)
  }

  @Test("L4: a notification before DRIVER_OK makes the device live, also after a reset")
  func usedBeforeDriverOK() {
    for round in 1...2 {
      driver.setLegacy(18, 1, 0)
      driver.setLegacy(18, 1, 3)
      driver.setLegacyQueue(0, page: 0x10)
      driver.setLegacy(4, 4, 1 << 29)
      driver.setLegacy(16, 2, 0)
      #expect(driver.device.activations.count == round)
      #expect(driver.device.activations.last == .eventIndex)
      #expect(driver.notifiers.notifications(through: .indexPort).count == round)
      driver.setLegacyQueue(1, page: 0x20)
      #expect(driver.device.enabledQueues == [0, 1], "and queues may still come")
      driver.setLegacy(18, 1, 7)
      #expect(driver.device.activations.count == round)
    }
    let port = MockPCIDriver.portAddress + 16
    #expect(
      driver.notifiers.places(.indexPort) == [port, port, port],
      "each reset brings the first notification back here")
  }

  @Test("L5: the ring is one piece from its page on, the used ring on the next page")
  func ringLayout() throws {
    driver.startLegacy()
    let queue = try #require(driver.device.queues[1])
    let memory = driver.memory
    let (table, available, used) = (0x2_0000 as UInt64, 0x2_0400 as UInt64, 0x2_1000 as UInt64)
    try memory.store(UInt64(0x3_0000), at: table + 16 * 5)
    try memory.store(UInt32(7), at: table + 16 * 5 + 8)
    try memory.store(UInt16(5), at: available + 4)
    try memory.store(UInt16(1), at: available + 2)
    let list = ChainBatch()
    try queue.gather(.readable, into: list, byteLimit: 100)
    #expect(list.byteCount == 7)
    queue.complete(try #require(list.chains.first), written: 0)
    #expect(queue.publish())
    #expect(try memory.load(used + 2, as: UInt16.self) == 1)
    #expect(try memory.load(used + 4, as: UInt32.self) == 5)
  }

  @Test("L7: a legacy driver does not take a modern function for one of its own")
  func modernOnly() throws {
    let modern = try MockPCIDriver()
    let device = modern.function.readConfiguration(register: 2, width: 2)
    #expect(!(0x1000...0x103f).contains(device))
    #expect(modern.function.readConfiguration(register: 8, width: 1) != 0)
    #expect(modern.function.readConfiguration(register: 0x10, width: 4) & 1 == 0)
    modern.setLegacy(18, 1, 0)
    #expect(modern.legacy(18, 1) == 0xff)
    // One that takes the memory BAR for its registers finds no queue and gets nowhere.
    modern.space.write(address: MockPCIDriver.barAddress + 18, width: 1, value: 0)
    modern.space.write(address: MockPCIDriver.barAddress + 18, width: 1, value: 7)
    #expect(modern.device.activations.isEmpty)
    modern.start()
    #expect(modern.status == 15)
  }

  @Test("P1, P3: a modern driver finds all five structures in BAR 4 and works as ever")
  func modernDriver() {
    #expect(driver.structures.keys.sorted() == [1, 2, 3, 4, 5])
    #expect((1...4).allSatisfy { driver.structures[$0]?.bar == 4 })
    driver.start()
    #expect(driver.status == 15)
    #expect(driver.device.activations.map { $0.contains(.version1) } == [true])
    driver.space.write(address: driver.address(2, 4), width: 2, value: 1)
    #expect(driver.notifiers.notifications(through: .queueAddresses) == [1])
    driver.setLegacy(18, 1, 7)
    #expect(driver.device.activations.count == 1, "the other interface leaves it alone")
    driver.setLegacy(18, 1, 0)
    #expect(driver.status == 0, "but a reset is one of the device")
  }

  @Test("The function for legacy drivers only has no structures, and MSI-X in BAR 4")
  func legacyOnly() throws {
    let legacy = try MockPCIDriver(options: .init(interface: .legacy))
    #expect(legacy.structures.isEmpty)
    #expect(legacy.messageCapability != 0)
    #expect(legacy.space.read(address: MockPCIDriver.barAddress + 0x12, width: 2) == 0)
    legacy.enableMSIX(count: 2)
    legacy.startLegacy()
    legacy.setLegacy(14, 2, 0)
    legacy.setLegacy(22, 2, 1)
    legacy.device.driver?.notifyUsedBuffers(queue: 0)
    #expect(legacy.router.routes.map(\.message) == [[0xfee0_0000, 0x41]])
  }

  @Test("P10: without MSI-X the ISR at 19 tells, and reading it takes the interrupt back")
  func pinInterrupt() {
    driver.startLegacy()
    driver.device.driver?.notifyUsedBuffers(queue: 0)
    #expect(driver.line.isAsserted)
    driver.device.driver?.notifyConfigurationChange()
    #expect(driver.legacy(19, 1) == 3)
    #expect(!driver.line.isAsserted)
    #expect(driver.legacy(19, 1) == 0)
  }

  @Test("P11: vectors at 20 and 22 while MSI-X is on; one that is not there reads back as none")
  func vectors() {
    driver.enableMSIX(count: 5)
    driver.startLegacy()
    driver.setLegacy(20, 2, 4)
    for queue: UInt64 in 0..<2 {
      driver.setLegacy(14, 2, queue)
      #expect(driver.legacy(22, 2) == 0xffff)
      driver.setLegacy(22, 2, queue + 1)
      #expect(driver.legacy(22, 2) == queue + 1)
    }
    driver.setLegacy(14, 2, 2)
    driver.setLegacy(22, 2, 5)
    #expect(driver.legacy(22, 2) == 0xffff)
    for queue in 0..<4 { driver.device.driver?.notifyUsedBuffers(queue: queue) }
    driver.device.driver?.notifyConfigurationChange()
    #expect(driver.router.routes.map { $0.message[1] } == [0x41, 0x42, 0x44])
    #expect(!driver.line.isAsserted)
  }

  @Test("G6: only 16 bits that name a queue notify, and only a device with a queue")
  func notifications() {
    driver.setLegacy(16, 2, 0)
    #expect(driver.device.activations.isEmpty)
    driver.startLegacy()
    driver.setLegacy(16, 1, 0)
    driver.setLegacy(16, 4, 0)
    for queue: UInt64 in [4, 0x7fff, 0xffff] { driver.setLegacy(16, 2, queue) }
    #expect(driver.notifiers.notifications.isEmpty)
    driver.setLegacy(16, 2, 1)
    driver.setLegacy(16, 2, 3)
    #expect(driver.notifiers.notifications(through: .indexPort) == [1, 3])
  }

  @Test(
    "G2, G3: a ring outside memory makes the device inert until a reset",
    arguments: [
      0x0fff, 0x1000, 0xffff_ffff, 0xfee00,
    ] as [UInt64])
  func badPage(page: UInt64) {
    driver.setLegacy(18, 1, 3)
    driver.setLegacyQueue(0, page: page)
    #expect(driver.legacy(18, 1) == 0x43)
    driver.setLegacy(18, 1, 7)
    driver.setLegacy(16, 2, 0)
    #expect(driver.device.activations.isEmpty)
    driver.startLegacy()
    #expect(driver.legacy(18, 1) == 7)
    #expect(driver.device.activations.count == 1)
  }

  @Test("G5: a fault of the live device sets NEEDS_RESET and interrupts; a reset mends it")
  func fault() {
    driver.startLegacy()
    driver.device.driver?.fail(QueueFault(queue: 0, violation: .chainTooLong))
    #expect(driver.legacy(18, 1) == 0x47)
    #expect(driver.legacy(19, 1) == 2)
    driver.setLegacy(16, 2, 0)
    #expect(driver.notifiers.notifications.isEmpty)
    driver.startLegacy()
    #expect(driver.device.activations.count == 2)
  }

  @Test("G5: resets by the thousand")
  func manyResets() {
    for _ in 0..<10_000 { driver.startLegacy() }
    driver.setLegacy(18, 1, 0)
    #expect(driver.device.activations.count == 10_000)
    #expect(driver.device.deactivations == 10_000)
  }
}
