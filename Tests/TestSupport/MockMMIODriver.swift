import Devices
import GuestMemory
import Virtio

/// A guest's virtio-mmio driver.
package final class MockMMIODriver {
  package static let address: UInt64 = 0xfeb0_0000
  package let memory: GuestMemory
  package let space = AddressSpace(name: "memory")
  package let line = MockLine()
  package let notifiers = MockQueueNotifiers()
  package let registers: VirtioMMIODevice
  package let device: StubDevice

  package init(device: StubDevice = StubDevice(), allowedFeatures: Features = .all) throws {
    self.device = device
    memory = try GuestMemory(regions: [0..<0x100_0000])
    registers = VirtioMMIODevice(
      device: device, lock: DeviceLock(), memory: memory,
      platform: .init(
        memorySpace: space, interruptLine: line, notifiers: notifiers, onFault: { _ in }),
      allowedFeatures: allowedFeatures)
    try registers.plug(at: Self.address..<Self.address + 0x1000)
  }

  /// A register, 32 bits wide.
  package subscript(offset: UInt64) -> UInt64 {
    get { space.read(address: Self.address + offset, width: 4) }
    set { space.write(address: Self.address + offset, width: 4, value: newValue) }
  }

  package var status: UInt64 {
    get { self[0x70] }
    set { self[0x70] = newValue }
  }

  /// ACKNOWLEDGE, DRIVER, the features, FEATURES_OK.
  package func negotiate(_ features: UInt64 = 1 << 32) {
    status = 1
    status = 3
    for select: UInt64 in 0...1 {
      self[0x24] = select
      self[0x20] = features >> (32 * select) & 0xffff_ffff
    }
    status = 11
  }

  /// Sets queue `index` up at `base` and makes it ready.
  package func enableQueue(_ index: Int, size: UInt16 = 8, base: UInt64? = nil) {
    let ring = MockQueue(
      memory: memory, base: base ?? 0x1_0000 + UInt64(index) * 0x2000, size: size)
    self[0x30] = UInt64(index)
    self[0x38] = UInt64(size)
    for (offset, value) in [
      (0x80, ring.descriptorTable), (0x90, ring.availableRing), (0xa0, ring.usedRing),
    ] as [(UInt64, UInt64)] {
      self[offset] = value & 0xffff_ffff
      self[offset + 4] = value >> 32
    }
    self[0x44] = 1
  }

  /// All of it: the device is live with queues 0 and 1.
  package func start(features: UInt64 = 1 << 32) {
    negotiate(features)
    enableQueue(0)
    enableQueue(1)
    status = 15
  }
}
