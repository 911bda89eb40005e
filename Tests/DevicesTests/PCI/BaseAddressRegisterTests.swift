import Devices
import TestSupport
import Testing

@Suite struct BaseAddressRegisterTests {
  static let bars = [
    BaseAddressRegister(index: 0, kind: .memory64, size: 0x8000),
    BaseAddressRegister(index: 4, kind: .memory64, size: 16),
    BaseAddressRegister(index: 0, kind: .memory64, size: 1 << 36),
    BaseAddressRegister(index: 1, kind: .memory32, size: 0x1000),
    BaseAddressRegister(index: 5, kind: .memory32, size: 1 << 31),
    BaseAddressRegister(index: 2, kind: .io, size: 0x20),
  ]

  private func space(with bar: BaseAddressRegister, command: UInt32 = 0) -> ConfigurationSpace {
    var space = ConfigurationSpace(PCIIdentity(vendor: 1, device: 2, classCode: 0xff0000))
    space.add(bar)
    space.write(register: PCIRegister.command, width: 2, value: command)
    return space
  }

  /// As Linux reads it: ones to each half, read back, restore.
  @Test(arguments: bars, [0, 3] as [UInt32])
  func sizing(bar: BaseAddressRegister, command: UInt32) {
    var space = space(with: bar, command: command)
    let register = PCIRegister.baseAddress + 4 * bar.index
    let flags: UInt32 = bar.kind == .io ? 1 : bar.kind == .memory64 ? 4 : 0
    #expect(space.read(register: register, width: 4) == flags)
    space.write(register: register, width: 4, value: .max)
    var mask = UInt64(space.read(register: register, width: 4))
    let flagBits: UInt64 = bar.kind == .io ? 3 : 0xf
    #expect(mask & flagBits == UInt64(flags))
    mask &= ~flagBits
    if bar.kind == .memory64 {
      space.write(register: register + 4, width: 4, value: .max)
      mask |= UInt64(space.read(register: register + 4, width: 4)) << 32
    } else {
      mask |= 0xffff_ffff << 32
    }
    #expect(~mask &+ 1 == bar.size)
    #expect(space.decodedRange(of: bar) == nil)
  }

  @Test func decodesOnlyWhereTheCommandRegisterSaysSo() {
    for bar in [Self.bars[0], Self.bars[3], Self.bars[5]] {
      let bit: UInt32 = bar.kind == .io ? 1 : 2
      var space = space(with: bar)
      space.setAddress(0x8000, of: bar)
      for command in 0...7 as ClosedRange<UInt32> {
        space.write(register: PCIRegister.command, width: 2, value: command)
        let range = 0x8000..<0x8000 + bar.size
        #expect(space.decodedRange(of: bar) == (command & bit != 0 ? range : nil))
      }
    }
  }

  @Test func halvesAreIndependent() {
    let bar = Self.bars[0]
    var space = space(with: bar, command: 2)
    space.write(register: 0x14, width: 4, value: 0x12)
    #expect(space.decodedRange(of: bar) == 0x12_0000_0000..<0x12_0000_8000)
    space.write(register: 0x10, width: 4, value: 0xe000_8123)
    #expect(space.address(of: bar) == 0x12_e000_8000)
    #expect(space.read(register: 0x10, width: 4) == 0xe000_8004)
    space.write(register: 0x14, width: 1, value: 0)
    #expect(space.decodedRange(of: bar) == 0xe000_8000..<0xe001_0000)
  }

  @Test func firmwareAddressReadsBack() {
    for bar in Self.bars {
      var space = space(with: bar)
      space.setAddress(bar.size, of: bar)
      #expect(space.address(of: bar) == bar.size)
    }
    var space = space(with: Self.bars[0])
    space.setAddress(0x20_0001_0000, of: Self.bars[0])
    #expect(space.read(register: 0x10, width: 4) == 0x0001_0004)
    #expect(space.read(register: 0x14, width: 4) == 0x20)
  }

  @Test func nowhereAtZeroAndAtTheEndOfItsSpace() {
    let (memory64, memory32, io) = (Self.bars[0], Self.bars[3], Self.bars[5])
    let cases: [(BaseAddressRegister, UInt64, Bool)] = [
      (memory64, 0, false), (memory64, 0x8000, true), (memory64, 0xffff_8000, true),
      (memory64, .max - 0x7fff, false), (memory64, .max - 0xffff, true),
      (memory64, 1 << 52, true), (memory32, 0, false), (memory32, 0xffff_e000, true),
      (memory32, 0xffff_f000, false), (io, 0, false), (io, 0x20, true), (io, 0xffc0, true),
      (io, 0xffe0, false), (io, 0x1_0000, false), (io, 0xffff_ffe0, false),
    ]
    for (bar, address, isDecoded) in cases {
      var space = space(with: bar, command: 3)
      space.setAddress(address, of: bar)
      let range = space.decodedRange(of: bar)
      #expect((range != nil) == isDecoded, "\(bar) at 0x\(String(address, radix: 16))")
      #expect(range == nil || range == address..<address + bar.size)
    }
  }

  @Test(arguments: bars)
  func wildValuesNeverTrap(bar: BaseAddressRegister) {
    var random = SeededGenerator(seed: 7)
    var space = space(with: bar, command: 3)
    for _ in 0..<20_000 {
      let register = Int.random(in: 0x0c...0x2c, using: &random)
      let high: UInt32 = Bool.random(using: &random) ? 0xffff_0000 : 0
      let value = UInt32.random(in: 0...UInt32.max, using: &random) | high
      space.write(
        register: register, width: [1, 2, 4].randomElement(using: &random) ?? 4, value: value)
      guard let range = space.decodedRange(of: bar) else { continue }
      #expect(UInt64(range.count) == bar.size && range.lowerBound % bar.size == 0)
    }
  }
}

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
