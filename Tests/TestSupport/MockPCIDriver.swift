import Devices
import GuestMemory
import Virtio

/// A guest's virtio-pci driver: finds the structures through the capability list and uses them
/// through the address space, as a guest does.
package final class MockPCIDriver {
  /// A virtio structure, as its capability describes it.
  package struct Structure {
    package let capability: Int
    package let bar: Int
    package let offset: UInt64
    package let length: UInt64
  }

  package static let barAddress: UInt64 = 0xc000_0000
  package static let portAddress: UInt64 = 0xc000
  package let memory: GuestMemory
  package let space = AddressSpace(name: "memory")
  package let ports = AddressSpace(name: "ports")
  package let router = MockRouter()
  package let line = MockLine()
  package let notifiers = MockQueueNotifiers()
  package let function: VirtioPCIFunction
  package let device: StubDevice
  /// By cfg_type.
  package private(set) var structures: [Int: Structure] = [:]
  package private(set) var messageCapability = 0

  package init(
    device: StubDevice = StubDevice(), options: VirtioPCIFunction.Options = .init()
  ) throws {
    self.device = device
    memory = try GuestMemory(regions: [0..<0x100_0000])
    function = VirtioPCIFunction(
      device: device, lock: DeviceLock(), memory: memory,
      platform: .init(
        memorySpace: space, portSpace: ports, router: router, interruptLine: line,
        notifiers: notifiers, onFault: { _ in }),
      options: options)
    function.place(memory: Self.barAddress, ports: Self.portAddress)
    var at = Int(function.readConfiguration(register: 0x34, width: 1))
    while at != 0 {
      let id = function.readConfiguration(register: at, width: 1)
      if id == 0x11 { messageCapability = at }
      if id == 0x09 {
        structures[Int(function.readConfiguration(register: at + 3, width: 1))] = Structure(
          capability: at, bar: Int(function.readConfiguration(register: at + 4, width: 1)),
          offset: UInt64(function.readConfiguration(register: at + 8, width: 4)),
          length: UInt64(function.readConfiguration(register: at + 12, width: 4)))
      }
      at = Int(function.readConfiguration(register: at + 1, width: 1))
    }
    enableDecoding()
  }

  /// Sets the command register's I/O, memory and bus master bits.
  package func enableDecoding() { function.writeConfiguration(register: 4, width: 2, value: 7) }

  /// Guest address of a field of structure `type`.
  package func address(_ type: Int, _ offset: UInt64 = 0) -> UInt64 {
    Self.barAddress + (structures[type]?.offset ?? 0) + offset
  }

  /// Reads a common configuration field.
  package func common(_ offset: UInt64, _ width: Int) -> UInt64 {
    space.read(address: address(1, offset), width: width)
  }

  /// Writes a common configuration field.
  package func setCommon(_ offset: UInt64, _ width: Int, _ value: UInt64) {
    space.write(address: address(1, offset), width: width, value: value)
  }

  package var status: UInt8 {
    get { UInt8(truncatingIfNeeded: common(0x14, 1)) }
    set { setCommon(0x14, 1, UInt64(newValue)) }
  }

  /// Accepts features, 32 bits at a time.
  package func accept(_ features: UInt64) {
    for select: UInt64 in 0...1 {
      setCommon(0x08, 4, select)
      setCommon(0x0c, 4, features >> (32 * select) & 0xffff_ffff)
    }
  }

  /// ACKNOWLEDGE, DRIVER, the features, FEATURES_OK.
  package func negotiate(_ features: UInt64 = 1 << 32) {
    status = 1
    status = 3
    accept(features)
    status = 11
  }

  /// Sets queue `index` up at `base` and enables it.
  package func enableQueue(_ index: Int, size: UInt16 = 8, base: UInt64? = nil) {
    let ring = MockQueue(
      memory: memory, base: base ?? 0x1_0000 + UInt64(index) * 0x2000, size: size)
    setCommon(0x16, 2, UInt64(index))
    setCommon(0x18, 2, UInt64(size))
    for (offset, value) in [
      (0x20, ring.descriptorTable), (0x28, ring.availableRing), (0x30, ring.usedRing),
    ] as [(UInt64, UInt64)] {
      setCommon(offset, 4, value & 0xffff_ffff)
      setCommon(offset + 4, 4, value >> 32)
    }
    setCommon(0x1c, 2, 1)
  }

  /// All of it: the device is live with queues 0 and 1.
  package func start() {
    negotiate()
    enableQueue(0)
    enableQueue(1)
    status = 15
  }

  /// Enables MSI-X and programs and unmasks `count` entries, entry n with data 0x40 + n.
  package func enableMSIX(count: Int) {
    function.writeConfiguration(register: messageCapability + 2, width: 2, value: 0x8000)
    let location = function.readConfiguration(register: messageCapability + 4, width: 4)
    let table = Self.barAddress + UInt64(location & ~7)
    for entry in 0..<count {
      let at = table + UInt64(16 * entry)
      space.write(address: at, width: 4, value: 0xfee0_0000)
      space.write(address: at + 8, width: 4, value: 0x40 + UInt64(entry))
      space.write(address: at + 12, width: 4, value: 0)
    }
  }

  // MARK: The legacy interface

  /// Reads a legacy register.
  package func legacy(_ offset: UInt64, _ width: Int) -> UInt64 {
    ports.read(address: Self.portAddress + offset, width: width)
  }

  /// Writes a legacy register.
  package func setLegacy(_ offset: UInt64, _ width: Int, _ value: UInt64) {
    ports.write(address: Self.portAddress + offset, width: width, value: value)
  }

  /// Puts the ring of queue `index` where a legacy driver's page number says.
  package func setLegacyQueue(_ index: Int, page: UInt64) {
    setLegacy(14, 2, UInt64(index))
    setLegacy(8, 4, page)
  }

  /// What a legacy driver does: the device is live with queues 0 and 1.
  package func startLegacy(features: UInt64 = 0) {
    setLegacy(18, 1, 0)
    setLegacy(18, 1, 1)
    setLegacy(18, 1, 3)
    setLegacy(4, 4, features)
    setLegacyQueue(0, page: 0x10)
    setLegacyQueue(1, page: 0x20)
    setLegacy(18, 1, 7)
  }
}
