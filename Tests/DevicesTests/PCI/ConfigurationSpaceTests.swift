import Devices
import Testing

@Suite struct ConfigurationSpaceTests {
  var space = ConfigurationSpace(
    PCIIdentity(
      vendor: 0x1af4, device: 0x1043, revision: 1, classCode: 0x078000, subsystemVendor: 0x1af4,
      subsystem: 0x0043, interruptPin: 1))

  @Test func headerSaysWhatTheFunctionIs() {
    #expect(space.read(register: 0x00, width: 4) == 0x1043_1af4)
    #expect(space.read(register: 0x08, width: 4) == 0x0780_0001)
    #expect(space.read(register: 0x2c, width: 4) == 0x0043_1af4)
    #expect(space.read(register: 0x0e, width: 1) == 0)
    #expect(space.read(register: 0x3c, width: 2) == 0x0100)
    #expect(space.read(register: 0x06, width: 2) == 0)
    #expect(space.read(register: 0x100, width: 4) == 0)
  }

  @Test mutating func onlyWritableBitsChange() {
    let before = (0..<1024).map { space.read(register: 4 * $0, width: 4) }
    for register in stride(from: 0, to: 4096, by: 4) {
      space.write(register: register, width: 4, value: .max)
    }
    for (index, old) in before.enumerated() {
      let written: UInt32 =
        switch 4 * index {
        case 0x04: 0x0407
        case 0x0c: 0xffff
        case 0x3c: 0x00ff
        default: 0
        }
      #expect(space.read(register: 4 * index, width: 4) == old | written)
    }
    for register in 0..<4096 { space.write(register: register, width: 1, value: 0) }
    for (index, old) in before.enumerated() {
      #expect(space.read(register: 4 * index, width: 4) == old)
    }
  }

  @Test mutating func commandBits() {
    #expect(!space.isIOEnabled && !space.isMemoryEnabled)
    #expect(!space.isBusMasterEnabled && !space.isINTxDisabled)
    space.write(register: 4, width: 2, value: 0x0001)
    #expect(space.isIOEnabled && !space.isMemoryEnabled)
    space.write(register: 4, width: 1, value: 0x06)
    #expect(!space.isIOEnabled && space.isMemoryEnabled && space.isBusMasterEnabled)
    space.write(register: 5, width: 1, value: 0x04)
    #expect(space.isINTxDisabled && space.isMemoryEnabled)
  }

  @Test mutating func interruptStatus() {
    space.hasInterruptStatus = true
    #expect(space.read(register: 6, width: 2) == 0x0008)
    space.write(register: 6, width: 2, value: 0xffff)
    #expect(space.hasInterruptStatus)
    space.hasInterruptStatus = false
    #expect(space.read(register: 6, width: 2) == 0)
  }

  @Test mutating func capabilitiesAreLinkedInOrder() {
    let first = space.append(
      PCICapability(id: 9, body: [7, 0xaa, 0xbb, 0xcc, 0xdd], writable: [0, 0xff, 0x0f]))
    let second = space.append(PCICapability(id: 0x11, body: [1, 2]))
    #expect(first == 0x40 && second == 0x48)
    #expect(space.read(register: 6, width: 2) == 0x0010)
    #expect(space.read(register: 0x34, width: 1) == 0x40)
    #expect(space.read(register: 0x40, width: 4) == 0xaa07_4809)
    #expect(space.read(register: 0x48, width: 4) == 0x0201_0011)
    space.write(register: 0x40, width: 4, value: 0x5555_5555)
    space.write(register: 0x44, width: 4, value: 0x5555_5555)
    #expect(space.read(register: 0x40, width: 4) == 0x5507_4809)
    #expect(space.read(register: 0x44, width: 4) == 0x00dd_ccb5)
  }

  @Test mutating func accessesNotWhollyInsideAreAbsent() {
    let wild = [-1, -4, 4093, 4096, 5000, Int.max, Int.max - 1, Int.min]
    for register in wild {
      #expect(space.read(register: register, width: 4) == .max)
      space.write(register: register, width: 4, value: 0)
    }
    for width in [0, -1, 5, 8, Int.max, Int.min] {
      _ = space.read(register: 0, width: width)
      space.write(register: 4, width: width, value: .max)
    }
    #expect(space.read(register: 4, width: 2) == 0)
    #expect(space.read(register: 4095, width: 1) == 0)
    #expect(space.read(register: 4095, width: 2) == 0xffff)
  }
}
