import Devices
import Testing

@Suite struct BaseAddressWindowTests {
  let memory = AddressSpace(name: "memory")
  let device = RecordingDevice(size: 0x1000, answer: 0x42)
  let bar = BaseAddressRegister(index: 0, kind: .memory64, size: 0x1000)
  var configuration = ConfigurationSpace(PCIIdentity(vendor: 1, device: 2, classCode: 0xff0000))

  init() {
    configuration.add(bar)
  }

  @Test mutating func followsTheGuest() {
    var window = BaseAddressWindow(bar, in: memory, device: device)
    configuration.setAddress(0xc000_0000, of: bar)
    var hasMoved = window.update(from: configuration)
    #expect(!hasMoved)
    configuration.write(register: 4, width: 2, value: 2)
    hasMoved = window.update(from: configuration)
    #expect(hasMoved)
    #expect(memory.read(address: 0xc000_0fff, width: 1) == 0x42)

    configuration.write(register: 0x10, width: 4, value: 0xd000_0000)
    hasMoved = window.update(from: configuration)
    #expect(hasMoved)
    hasMoved = window.update(from: configuration)
    #expect(!hasMoved)
    #expect(window.range == 0xd000_0000..<0xd000_1000)
    #expect(memory.read(address: 0xc000_0000, width: 1) == 0xff)
    #expect(memory.read(address: 0xd000_0000, width: 1) == 0x42)

    configuration.write(register: 4, width: 2, value: 0)
    hasMoved = window.update(from: configuration)
    #expect(hasMoved)
    #expect(memory.read(address: 0xd000_0000, width: 1) == 0xff)
  }

  @Test mutating func closingTakesTheRegionAway() {
    var window = BaseAddressWindow(bar, in: memory, device: device)
    configuration.setAddress(0xc000_0000, of: bar)
    configuration.write(register: 4, width: 2, value: 2)
    window.update(from: configuration)
    window.close()
    #expect(window.range == nil)
    #expect(memory.read(address: 0xc000_0000, width: 1) == 0xff)
  }

  /// Two regions change places; for a moment one lies on the other.
  @Test mutating func swappedRegionsBothEndUpVisible() {
    let other = RecordingDevice(size: 0x1000, answer: 0x43)
    var second = configuration
    configuration.setAddress(0x1000, of: bar)
    second.setAddress(0x2000, of: bar)
    configuration.write(register: 4, width: 2, value: 2)
    second.write(register: 4, width: 2, value: 2)
    var window = BaseAddressWindow(bar, in: memory, device: device)
    var otherWindow = BaseAddressWindow(bar, in: memory, device: other)
    window.update(from: configuration)
    otherWindow.update(from: second)

    configuration.write(register: 0x10, width: 4, value: 0x2000)
    window.update(from: configuration)
    #expect(memory.read(address: 0x1000, width: 1) == 0xff)
    #expect(memory.read(address: 0x2000, width: 1) == 0x43)
    second.write(register: 0x10, width: 4, value: 0x1000)
    otherWindow.update(from: second)
    #expect(memory.read(address: 0x1000, width: 1) == 0x43)
    #expect(memory.read(address: 0x2000, width: 1) == 0x42)
  }
}
