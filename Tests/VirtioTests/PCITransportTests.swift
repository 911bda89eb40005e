import Devices
import GuestMemory
import TestSupport
import Testing
import Virtio

/// virtio-pci as a driver sees it; the ids are those of the rules of virtio 1.2, 4.1.
@Suite struct PCITransportTests {
  let driver: MockPCIDriver

  init() throws { driver = try MockPCIDriver() }

  private func configuration(_ register: Int, _ width: Int) -> UInt32 {
    driver.function.readConfiguration(register: register, width: width)
  }

  @Test("P1, P2: ids a modern driver, and Windows', bind to")
  func identity() {
    #expect(configuration(0x00, 4) == 0x1043_1af4)
    #expect(configuration(0x08, 1) == 1)
    #expect(configuration(0x2c, 4) == 0x1100_1af4)
    #expect(configuration(0x3d, 1) == 1)
  }

  @Test("P3: all five structures, in a BAR that exists, inside it, none over another")
  func capabilities() throws {
    #expect(driver.structures.keys.sorted() == [1, 2, 3, 4, 5])
    var ranges: [Range<UInt64>] = []
    for (type, structure) in driver.structures where type != 5 {
      #expect(structure.bar == 0)
      #expect(structure.length > 0)
      let range = structure.offset..<structure.offset + structure.length
      #expect(range.upperBound <= driver.function.memorySize)
      #expect(ranges.allSatisfy { !$0.overlaps(range) })
      ranges.append(range)
    }
  }

  @Test("P4: alignments, and notify addresses for every queue")
  func offsets() throws {
    #expect(driver.address(1) % 4 == 0)
    #expect(driver.address(4) % 4 == 0)
    let notify = try #require(driver.structures[2])
    let multiplier = UInt64(configuration(notify.capability + 16, 4))
    #expect(multiplier == 4)
    for queue: UInt64 in 0..<4 {
      driver.setCommon(0x16, 2, queue)
      #expect(driver.common(0x1e, 2) * multiplier + 2 <= notify.length)
      #expect(driver.common(0x1e, 2) == queue)
    }
  }

  @Test("P6: features 32 at a time; bits not offered are not taken; fixed after FEATURES_OK")
  func features() {
    let low: UInt64 = 0x3000_0021  // bits 0 and 5 of the device, 28 and 29 of the rings
    driver.setCommon(0x00, 4, 0)
    #expect(driver.common(0x04, 4) == low)
    driver.setCommon(0x00, 4, 1)
    #expect(driver.common(0x04, 4) == 0x105)
    for select: UInt64 in [2, 3, 0xffff_ffff] {
      driver.setCommon(0x00, 4, select)
      #expect(driver.common(0x04, 4) == 0)
      driver.setCommon(0x08, 4, select)
      driver.setCommon(0x0c, 4, 0xffff_ffff)
      #expect(driver.common(0x0c, 4) == 0)
    }
    driver.negotiate(.max)
    #expect(driver.status == 11)
    driver.accept(0)
    driver.setCommon(0x08, 4, 0)
    #expect(driver.common(0x0c, 4) == low)
    driver.status = 15
    #expect(driver.device.activations.map(\.rawValue) == [0x105 << 32 | low])
  }

  @Test("N3: FEATURES_OK stays clear without VERSION_1")
  func refusesLegacyFeatures() {
    driver.negotiate(1)
    #expect(driver.status == 3)
    driver.status = 15
    #expect(driver.status == 3)
    #expect(driver.device.activations.isEmpty)
  }

  @Test("P5: fields at their own width, 64-bit fields by halves; a read of any width is bytes")
  func widths() {
    driver.negotiate()
    driver.setCommon(0x20, 4, 0x1122_3344)
    driver.setCommon(0x24, 4, 0x5566_7788)
    #expect(driver.common(0x20, 8) == 0x5566_7788_1122_3344)
    driver.setCommon(0x28, 8, 0x0102_0304_0506_0708)
    #expect(driver.common(0x2c, 4) == 0x0102_0304)
    driver.setCommon(0x20, 2, 0)
    driver.setCommon(0x22, 4, 0)
    driver.setCommon(0x16, 4, 3)
    driver.setCommon(0x14, 2, 0)
    #expect(driver.common(0x20, 8) == 0x5566_7788_1122_3344)
    #expect(driver.common(0x16, 2) == 0)
    #expect(driver.status == 11)
    #expect(driver.common(0x12, 1) == 4)
  }

  @Test("P8, G3: queue fields before FEATURES_OK, for absent queues, after enabling")
  func queueFields() {
    #expect(driver.common(0x18, 2) == 64)
    driver.setCommon(0x18, 2, 8)
    #expect(driver.common(0x18, 2) == 64, "not before FEATURES_OK")
    driver.negotiate()
    for absent: UInt64 in [4, 5, 0x7fff, 0xffff] {
      driver.setCommon(0x16, 2, absent)
      #expect(driver.common(0x18, 2) == 0)
      #expect(driver.common(0x1a, 2) == 0xffff)
      for field: UInt64 in [0x18, 0x1a, 0x1c] { driver.setCommon(field, 2, 1) }
      for field: UInt64 in [0x20, 0x28, 0x30] { driver.setCommon(field, 8, .max) }
      #expect(driver.common(0x1c, 2) == 0)
      #expect(driver.common(0x20, 8) == 0)
    }
    driver.enableQueue(1)
    #expect(driver.common(0x1c, 2) == 1)
    driver.setCommon(0x18, 2, 4)
    driver.setCommon(0x1c, 2, 0)
    #expect(driver.common(0x18, 2) == 8)
    #expect(driver.common(0x1c, 2) == 1)
    driver.status = 15
    driver.enableQueue(2)
    #expect(driver.common(0x1c, 2) == 0, "not after DRIVER_OK")
    #expect(driver.device.enabledQueues == [1])
  }

  @Test("P8: status zero resets everything the driver set")
  func reset() {
    driver.setCommon(0x10, 2, 1)
    driver.start()
    driver.setCommon(0x16, 2, 1)
    driver.setCommon(0x1a, 2, 2)
    driver.status = 0
    #expect(driver.status == 0)
    #expect(driver.device.deactivations == 1)
    #expect(driver.common(0x10, 2) == 0xffff)
    #expect(driver.common(0x16, 2) == 0)
    driver.setCommon(0x16, 2, 1)
    #expect(driver.common(0x18, 2) == 64)
    #expect(driver.common(0x1a, 2) == 0xffff)
    #expect(driver.common(0x1c, 2) == 0)
    #expect(driver.common(0x20, 8) == 0)
    driver.start()
    #expect(driver.device.activations.count == 2, "N4: and it can start again")
  }

  @Test("G2: a queue with bad addresses makes the device ask for a reset")
  func badQueue() {
    driver.negotiate()
    driver.enableQueue(0, base: 0x200_0000)
    #expect(driver.status & 0x40 != 0)
    driver.status = 15
    #expect(driver.device.activations.isEmpty)
    driver.status = 0
    driver.start()
    #expect(driver.status == 15)
  }

  @Test("P10, P15: without MSI-X the ISR tells, drives the pin, and reading it clears both")
  func interruptStatus() {
    driver.start()
    driver.device.driver?.notifyUsedBuffers(queue: 0)
    #expect(driver.line.isAsserted)
    #expect(configuration(0x06, 2) & 8 != 0)
    driver.device.driver?.notifyConfigurationChange()
    #expect(driver.space.read(address: driver.address(3), width: 1) == 3)
    #expect(!driver.line.isAsserted)
    #expect(configuration(0x06, 2) & 8 == 0)
    #expect(driver.space.read(address: driver.address(3), width: 1) == 0)
  }

  @Test("P17: INTx disable holds the pin, not the status")
  func interruptDisable() {
    driver.start()
    driver.function.writeConfiguration(register: 4, width: 2, value: 0x406)
    driver.device.driver?.notifyUsedBuffers(queue: 0)
    #expect(!driver.line.isAsserted)
    #expect(configuration(0x06, 2) & 8 != 0)
    driver.function.writeConfiguration(register: 4, width: 2, value: 6)
    #expect(driver.line.isAsserted)
  }

  @Test("P11: events go to the vectors the driver chose, and nowhere with NO_VECTOR")
  func vectors() {
    driver.enableMSIX(count: 5)
    driver.negotiate()
    driver.setCommon(0x10, 2, 4)
    for queue: UInt64 in 0..<2 {
      driver.setCommon(0x16, 2, queue)
      driver.setCommon(0x1a, 2, queue + 1)
      #expect(driver.common(0x1a, 2) == queue + 1)
    }
    for bad: UInt64 in [5, 6, 0x7ff, 0xffff] {
      driver.setCommon(0x16, 2, 2)
      driver.setCommon(0x1a, 2, bad)
      #expect(driver.common(0x1a, 2) == 0xffff)
    }
    driver.enableQueue(0)
    driver.enableQueue(1)
    driver.status = 15
    for queue in 0..<4 { driver.device.driver?.notifyUsedBuffers(queue: queue) }
    driver.device.driver?.notifyConfigurationChange()
    let sent = driver.router.routes.filter { $0.triggers > 0 }.map { $0.message[1] }
    #expect(sent.sorted() == [0x41, 0x42, 0x44])
    #expect(!driver.line.isAsserted)
  }

  @Test("N6: a fault sets NEEDS_RESET and tells the driver, once it is live")
  func fault() {
    driver.start()
    driver.device.driver?.fail(QueueFault(queue: 0, violation: .chainTooLong))
    #expect(driver.status == 0x4f)
    #expect(driver.device.deactivations == 1)
    #expect(driver.space.read(address: driver.address(3), width: 1) == 2)
    driver.space.write(address: driver.address(2), width: 2, value: 0)
    #expect(driver.notifiers.notifications.isEmpty, "inert: kicks go nowhere")
  }

  @Test("P14: a kick rings by its address, whatever is written; G6: not before DRIVER_OK")
  func kicks() {
    driver.space.write(address: driver.address(2), width: 2, value: 0)
    #expect(driver.notifiers.notifications.isEmpty)
    driver.start()
    for (offset, width) in [(0, 2), (4, 2), (8, 4), (12, 1), (13, 1)] as [(UInt64, Int)] {
      driver.space.write(address: driver.address(2, offset), width: width, value: 0xabcd)
    }
    driver.space.write(address: driver.address(2, 16), width: 2, value: 0)
    #expect(driver.notifiers.notifications == [0, 1, 2, 3, 3])
  }

  @Test("P13: the PCI_CFG window reads and writes the BAR, and only what it can")
  func configurationWindow() throws {
    let window = try #require(driver.structures[5]).capability
    func access(_ offset: UInt64, length: UInt32, write value: UInt32? = nil) -> UInt32 {
      driver.function.writeConfiguration(register: window + 4, width: 1, value: 0)
      driver.function.writeConfiguration(register: window + 8, width: 4, value: UInt32(offset))
      driver.function.writeConfiguration(register: window + 12, width: 4, value: length)
      if let value {
        driver.function.writeConfiguration(register: window + 16, width: 4, value: value)
      }
      return configuration(window + 16, 4)
    }
    let common = try #require(driver.structures[1]).offset
    #expect(access(common + 0x12, length: 2) == 4)
    #expect(access(common + 0x14, length: 1, write: 1) & 0xff == 1)
    #expect(driver.status == 1)
    let device = try #require(driver.structures[4]).offset
    #expect(access(device, length: 4) == 0x0403_0201)
    for (offset, length) in [(device, 3), (device, 0), (device, 8), (UInt64(UInt32.max - 3), 4)]
      as [(UInt64, UInt32)]
    {
      _ = access(offset, length: length, write: 0xffff_ffff)
    }
    driver.function.writeConfiguration(register: window + 4, width: 1, value: 3)
    driver.function.writeConfiguration(register: window + 16, width: 4, value: 0)
    #expect(driver.device.configuration == [1, 2, 3, 4, 5, 6])
    #expect(driver.status == 1)
  }

  @Test("C4, G16: the device configuration at every width and offset, and beyond its end")
  func deviceConfiguration() {
    for width in [1, 2, 4, 8] {
      for offset: UInt64 in 0..<12 {
        let value = driver.space.read(address: driver.address(4, offset), width: width)
        var expected: UInt64 = 0
        // Eight bytes of structure, of which the device has six.
        if offset + UInt64(width) <= 8 {
          for index in 0..<UInt64(width) where offset + index < 6 {
            expected |= (offset + index + 1) << (8 * index)
          }
        }
        #expect(value == expected, "\(width) at \(offset)")
      }
    }
    driver.space.write(address: driver.address(4, 2), width: 2, value: 0xbbaa)
    driver.space.write(address: driver.address(4, 5), width: 2, value: 0xffff)
    #expect(driver.device.configuration == [1, 2, 0xaa, 0xbb, 5, 6])
  }

  @Test("The queue notifiers follow the BAR: off, on, moved")
  func notifiersFollow() throws {
    let notify = try #require(driver.structures[2]).offset
    #expect(driver.notifiers.places(.queueAddresses) == [MockPCIDriver.barAddress + notify])
    #expect(driver.notifiers.places(.indexPort).isEmpty)
    driver.function.writeConfiguration(register: 4, width: 2, value: 4)
    driver.function.writeConfiguration(register: 0x10, width: 4, value: 0xd000_0000)
    driver.enableDecoding()
    #expect(
      driver.notifiers.places(.queueAddresses).dropFirst() == [nil, 0xd000_0000 + notify])
    #expect(driver.space.read(address: 0xd000_0012, width: 2) == 4)
    #expect(driver.common(0x12, 2) == 0xffff)
  }
}
