import Devices
import GuestMemory
import TestSupport
import Testing
import Virtio

/// virtio-mmio as a driver sees it (virtio 1.2, 4.2).
@Suite struct MMIOTransportTests {
  let driver: MockMMIODriver

  init() throws { driver = try MockMMIODriver() }

  @Test("MagicValue, Version, DeviceID and VendorID, which cannot be written")
  func identity() {
    for _ in 0..<2 {
      #expect(driver[0x00] == 0x7472_6976)
      #expect(driver[0x04] == 2)
      #expect(driver[0x08] == 3)
      #expect(driver[0x0c] == 0x1af4)
      for offset: UInt64 in [0, 4, 8, 12] { driver[offset] = 0xffff_ffff }
    }
  }

  @Test("P6, N3: features 32 at a time; not what was not offered; VERSION_1 is a must")
  func features() {
    driver[0x14] = 0
    let low = driver[0x10]
    #expect(low == 0x3000_0021)
    driver[0x14] = 1
    #expect(driver[0x10] & 1 == 1)
    for select: UInt64 in [2, 0xffff_ffff] {
      driver[0x14] = select
      #expect(driver[0x10] == 0)
    }
    driver.negotiate(1)
    #expect(driver.status == 3)
    driver.negotiate(.max)
    #expect(driver.status == 11)
    driver.status = 15
    #expect(driver.device.activations.map { $0.rawValue & 0x1_ffff_ffff } == [1 << 32 | low])
  }

  @Test("G3: queues before FEATURES_OK, absent ones, and after QueueReady")
  func queues() {
    #expect(driver[0x34] == 64)
    driver.enableQueue(0)
    #expect(driver[0x44] == 0, "not before FEATURES_OK")
    driver.negotiate()
    for absent: UInt64 in [4, 0xffff, 0x1_0000, 0xffff_ffff] {
      driver[0x30] = absent
      #expect(driver[0x34] == 0)
      for offset: UInt64 in [0x38, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0x44, 0xc0] {
        driver[offset] = 1
      }
      #expect(driver[0x44] == 0)
    }
    driver.enableQueue(1)
    #expect(driver[0x44] == 1)
    driver[0x38] = 4
    driver.status = 15
    driver.enableQueue(2)
    #expect(driver[0x44] == 0, "not after DRIVER_OK")
    #expect(driver.device.enabledQueues == [1])
  }

  @Test("Addresses of 64 bits come by halves")
  func addresses() throws {
    driver.negotiate()
    driver.enableQueue(0)
    driver.status = 15
    let queue = try #require(driver.device.queues[0])
    let ring = MockQueue(memory: driver.memory, base: 0x1_0000, size: 8)
    ring.publish([.init(0x4_0000, 5)])
    #expect(try queue.availableCount() == 1)
    driver.status = 0
    driver.negotiate()
    driver.enableQueue(0, base: 0x1_0001_0000)
    #expect(driver.status & 0x40 != 0, "G2: the upper half counts")
  }

  @Test("QueueReady written zero stops a queue, live or not")
  func stopsQueue() {
    driver.start()
    driver[0x30] = 1
    driver[0x44] = 0
    #expect(driver[0x44] == 0)
    #expect(driver.device.enabledQueues == [0])
  }

  @Test("P9: QueueReset takes a queue out of the live device, which may come back")
  func queueReset() {
    driver.start(features: 1 << 40 | 1 << 32)
    driver[0x30] = 1
    driver[0xc0] = 1
    #expect(driver[0xc0] == 0)
    #expect(driver[0x44] == 0)
    #expect(driver.device.enabledQueues == [0])
    driver.enableQueue(1, size: 16, base: 0x8_0000)
    #expect(driver[0x44] == 1)
    #expect(driver.device.enabledQueues == [0, 1])
  }

  @Test("P9, G2, N6: bad addresses once the device is live: NEEDS_RESET, and the driver is told")
  func toldOfABadQueueWhileLive() {
    driver.start(features: 1 << 40 | 1 << 32)
    driver[0x30] = 1
    driver[0xc0] = 1
    driver.enableQueue(1, base: 0x1_0001_0000)
    #expect(driver.status & 0x40 != 0)
    #expect(driver[0x60] & 2 != 0)
  }

  @Test("P9: without RING_RESET there is no QueueReset")
  func noQueueReset() {
    driver.start()
    driver[0x30] = 1
    driver[0xc0] = 1
    #expect(driver[0x44] == 1)
    #expect(driver.device.enabledQueues == [0, 1])
  }

  @Test("InterruptStatus holds the line until InterruptACK has taken every bit back")
  func interrupts() {
    driver.start()
    #expect(!driver.line.isAsserted)
    driver.device.driver?.notifyUsedBuffers(queue: 1)
    #expect(driver[0x60] == 1)
    driver.device.driver?.notifyConfigurationChange()
    #expect(driver[0x60] == 3)
    driver[0x64] = 1
    #expect(driver[0x60] == 2)
    #expect(driver.line.isAsserted)
    driver[0x64] = 0xffff_fffe
    #expect(driver[0x60] == 0)
    #expect(!driver.line.isAsserted)
  }

  @Test("P7: ConfigGeneration moves exactly when a change lies between two readings")
  func generation() {
    driver.start()
    let first = driver[0xfc]
    #expect(driver[0xfc] == first)
    for _ in 0..<256 { driver.device.changeConfiguration() }
    #expect(driver[0xfc] != first)
  }

  @Test("G6: QueueNotify rings by its value, once the device is live, for queues there are")
  func notifications() {
    #expect(driver.notifiers.places(.indexRegister) == [MockMMIODriver.address + 0x50])
    driver[0x50] = 0
    #expect(driver.notifiers.notifications.isEmpty)
    driver.start()
    for queue: UInt64 in [0, 3, 4, 0x1_0000, 0xffff_ffff] { driver[0x50] = queue }
    driver.space.write(address: MockMMIODriver.address + 0x50, width: 2, value: 1)
    #expect(driver.notifiers.notifications(through: .indexRegister) == [0, 3])
  }

  @Test("C4, G16: the device configuration at every width and offset, and beyond its end")
  func deviceConfiguration() {
    let start = MockMMIODriver.address + 0x100
    for width in [1, 2, 4, 8] {
      for offset: UInt64 in 0..<12 {
        var expected: UInt64 = 0
        for index in 0..<UInt64(width) where offset + index < 6 {
          expected |= (offset + index + 1) << (8 * index)
        }
        #expect(driver.space.read(address: start + offset, width: width) == expected)
      }
    }
    driver.space.write(address: start + 2, width: 2, value: 0xbbaa)
    driver.space.write(address: start + 5, width: 2, value: 0xffff)
    #expect(driver.device.configuration == [1, 2, 0xaa, 0xbb, 5, 6])
  }

  @Test("There is no shared memory, and nothing between the registers, at any other width")
  func elsewhere() {
    for offset: UInt64 in [0xb0, 0xb4, 0xb8, 0xbc] { #expect(driver[offset] == 0xffff_ffff) }
    for offset: UInt64 in [0x18, 0x2c, 0x4c, 0xc4, 0xf8] {
      driver[offset] = 0xffff_ffff
      #expect(driver[offset] == 0)
    }
    for width in [1, 2, 8] {
      #expect(driver.space.read(address: MockMMIODriver.address, width: width) == 0)
      driver.space.write(address: MockMMIODriver.address + 0x70, width: width, value: 1)
    }
    #expect(driver.status == 0)
  }

  @Test("P8, G5: status zero resets everything the driver set, by the thousand")
  func reset() {
    for _ in 0..<10_000 {
      driver.start()
      driver.status = 0
    }
    #expect(driver.device.deactivations == 10_000)
    driver.start()
    driver.device.driver?.notifyUsedBuffers(queue: 0)
    driver.status = 0
    #expect(driver.status == 0)
    #expect(driver[0x60] == 0)
    #expect(!driver.line.isAsserted)
    driver[0x30] = 1
    #expect(driver[0x44] == 0)
  }

  @Test(
    "G5: no status out of order, and none of more than eight bits",
    arguments: [
      2, 4, 8, 16, 32, 0x100, 0x10f, 0xffff_ff00,
    ] as [UInt64])
  func badStatus(value: UInt64) {
    driver.status = value
    #expect(driver.status == 0)
    #expect(driver.device.activations.isEmpty)
  }

  @Test("N6: a fault sets NEEDS_RESET and interrupts, and leaves the device inert")
  func fault() {
    driver.start()
    driver.device.driver?.fail(QueueFault(queue: 0, violation: .chainTooLong))
    #expect(driver.status == 0x4f)
    #expect(driver[0x60] == 2)
    #expect(driver.line.isAsserted)
    driver[0x50] = 0
    #expect(driver.notifiers.notifications.isEmpty)
    driver.status = 0
    driver.start()
    #expect(driver.status == 15)
  }

  @Test("The largest device, of 32766 ports")
  func largestDevice() throws {
    let driver = try MockMMIODriver(device: StubDevice(queueCount: 65534))
    driver.negotiate()
    driver.enableQueue(65533, base: 0x1_0000)
    driver.status = 15
    #expect(driver.device.enabledQueues == [65533])
    driver[0x50] = 65533
    #expect(driver.notifiers.notifications == [65533])
  }

  @Test("Unplugged, it is nowhere")
  func unplug() {
    driver.start()
    driver.device.driver?.notifyUsedBuffers(queue: 0)
    driver.registers.unplug()
    #expect(driver[0] == 0xffff_ffff)
    #expect(!driver.line.isAsserted)
    #expect(driver.device.deactivations == 1)
    #expect(driver.notifiers.places(.indexRegister).last == .some(nil))
  }

  @Test("G3, G5, G6, G16: random accesses never trap, and the device starts again after them")
  func randomAccesses() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<30_000 {
      let width = [1, 2, 4, 4, 4, 8].randomElement(using: &random) ?? 4
      let shift = UInt64.random(in: 0..<64, using: &random)
      let value = UInt64.random(in: 0...UInt64.max, using: &random) >> shift
      let aligned = UInt64.random(in: 0..<72, using: &random) * 4
      let offset = width == 4 ? aligned : UInt64.random(in: 0..<0x1000, using: &random)
      let address = MockMMIODriver.address + offset
      switch Int.random(in: 0..<5, using: &random) {
      case 0: _ = driver.space.read(address: address, width: width)
      case 1: driver.device.driver?.notifyUsedBuffers(queue: Int(value % 7))
      default: driver.space.write(address: address, width: width, value: value)
      }
    }
    driver.status = 0
    driver.start()
    #expect(driver.status == 15, "seed \(seed)")
  }
}
