import GuestMemory
import TestSupport
import Testing
import Virtio

/// The common configuration structure's later fields, as a driver on PCI finds them.
@Suite struct CommonConfigurationTests {
  static let ringReset: UInt64 = 1 << 40
  let driver: MockPCIDriver

  init() throws { driver = try MockPCIDriver() }

  /// Live, with queues 0 and 1.
  private func start(_ features: UInt64) {
    driver.negotiate(1 << 32 | features)
    driver.enableQueue(0)
    driver.enableQueue(1)
    driver.status = 15
    driver.setCommon(0x16, 2, 1)
  }

  @Test("P9: the structure goes on to queue_reset, which is read whole and in halves")
  func reachesQueueReset() throws {
    #expect(try #require(driver.structures[1]).length == 60)
    for (offset, width) in [(0x38, 2), (0x3a, 2), (0x38, 4), (0x3a, 1), (0x3b, 1)]
      as [(UInt64, Int)]
    {
      #expect(driver.common(offset, width) == 0)
    }
    driver.setCommon(0x16, 2, 3)
    #expect(driver.common(0x16, 2) == 3)
  }

  @Test("P9: queue_reset takes one queue away at once; it comes back with what is set anew")
  func resetsOneQueue() {
    start(Self.ringReset)
    driver.setCommon(0x1a, 2, 1)
    driver.setCommon(0x3a, 2, 1)
    #expect(driver.common(0x3a, 2) == 0, "done when the write returns")
    #expect(driver.common(0x1c, 2) == 0)
    #expect(driver.common(0x18, 2) == 64)
    #expect(driver.common(0x1a, 2) == 0xffff)
    for field: UInt64 in [0x20, 0x28, 0x30] { #expect(driver.common(field, 8) == 0) }
    #expect(driver.device.enabledQueues == [0])
    driver.enableQueue(1, size: 16, base: 0x8_0000)
    #expect(driver.common(0x1c, 2) == 1)
    #expect(driver.common(0x18, 2) == 16)
    #expect(driver.common(0x20, 8) == 0x8_0000)
    #expect(driver.common(0x3a, 2) == 0)
    #expect(driver.device.enabledQueues == [0, 1])
    #expect(driver.device.activations.count == 1)
  }

  @Test("P9, G2, N6: bad addresses once the device is live: NEEDS_RESET, and the driver is told")
  func toldOfABadQueueWhileLive() {
    start(Self.ringReset)
    driver.setCommon(0x3a, 2, 1)
    driver.enableQueue(1, base: 0x200_0000)
    #expect(driver.status & 0x40 != 0)
    #expect(driver.space.read(address: driver.address(3), width: 1) == 2)
    driver.status = 0
    start(0)
    #expect(driver.status == 15)
  }

  @Test("P9, G3: other values, other widths, absent queues, and a driver without RING_RESET")
  func resetsNothingElse() {
    start(Self.ringReset)
    for value: UInt64 in [0, 2, 0xffff] { driver.setCommon(0x3a, 2, value) }
    driver.setCommon(0x38, 4, 0x1_0000)
    driver.setCommon(0x3a, 1, 1)
    for absent: UInt64 in [2, 4, 0xffff] {
      driver.setCommon(0x16, 2, absent)
      driver.setCommon(0x3a, 2, 1)
      #expect(driver.common(0x3a, 2) == 0)
    }
    #expect(driver.device.enabledQueues == [0, 1])
    driver.status = 0
    start(0)
    driver.setCommon(0x3a, 2, 1)
    #expect(driver.device.enabledQueues == [0, 1])
    #expect(driver.common(0x1c, 2) == 1)
  }

  @Test("K1: a packed queue of any size, its three parts where the driver put them")
  func takesPackedQueues() {
    driver.negotiate(1 << 32 | 1 << 34)
    driver.enableQueue(0, size: 7)
    #expect(driver.status == 11)
    #expect(driver.common(0x1c, 2) == 1)
    #expect(driver.common(0x18, 2) == 7)
  }

  @Test("N8: the device configuration is read before anything is negotiated")
  func readsTheConfigurationEarly() {
    #expect(driver.status == 0)
    #expect(driver.space.read(address: driver.address(4), width: 4) == 0x0403_0201)
  }

  @Test("L5, G2, N6: a legacy ring outside memory once the device is live: NEEDS_RESET, and told")
  func toldOfABadLegacyQueueWhileLive() throws {
    let driver = try MockPCIDriver(options: .init(interface: .transitional))
    driver.startLegacy(features: 0)
    driver.setLegacy(14, 2, 0)
    driver.setLegacy(8, 4, 0x1000)
    #expect(driver.legacy(18, 1) & 0x40 != 0)
    #expect(driver.legacy(19, 1) == 2)
  }
}
