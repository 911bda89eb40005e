import Devices
import Testing

@Suite struct AddressSpaceTests {
  let space = AddressSpace(name: "ports")
  let device = RecordingDevice(size: 8, answer: 0x1122_3344_5566_7788)

  @Test(arguments: [1, 2, 4, 8])
  func absentReadsAllOnesAndDropsWrites(width: Int) throws {
    try space.add(0x100..<0x108, device: device)
    for address in [0, 0xff, 0x108, UInt64.max] as [UInt64] {
      #expect(space.read(address: address, width: width) == .allOnes(width: width))
      space.write(address: address, width: width, value: 1)
    }
    #expect(device.accesses.events.isEmpty)
  }

  @Test func accessesArriveWithOffsetAndMaskedValue() throws {
    try space.add(0x100..<0x108, device: device)
    #expect(space.read(address: 0x102, width: 2) == 0x7788)
    #expect(space.read(address: 0x100, width: 8) == 0x1122_3344_5566_7788)
    space.write(address: 0x107, width: 1, value: 0xffff_ff5a)
    #expect(
      device.accesses.events == [
        .read(offset: 2, width: 2), .read(offset: 0, width: 8),
        .write(offset: 7, width: 1, value: 0x5a),
      ])
  }

  @Test func straddlingTheEndReachesNoDevice() throws {
    let next = RecordingDevice(size: 8)
    try space.add(0x100..<0x108, device: device)
    try space.add(0x108..<0x110, device: next)
    #expect(space.read(address: 0x106, width: 4) == 0xffff_ffff)
    space.write(address: 0x101, width: 8, value: 0)
    #expect(device.accesses.events.isEmpty && next.accesses.events.isEmpty)
  }

  /// KVM splits an access that crosses a page into pieces of any length.
  @Test func oddWidthsArriveAsAlignedPieces() throws {
    try space.add(0x100..<0x108, device: device)
    space.write(address: 0x101, width: 7, value: 0x0077_6655_4433_2211)
    #expect(
      device.accesses.take() == [
        .write(offset: 1, width: 1, value: 0x11), .write(offset: 2, width: 2, value: 0x3322),
        .write(offset: 4, width: 4, value: 0x7766_5544),
      ])
    #expect(space.read(address: 0x105, width: 3) == 0x77_8888 & 0xff | 0x7788 << 8)
    #expect(
      device.accesses.take() == [.read(offset: 5, width: 1), .read(offset: 6, width: 2)])
  }

  @Test(arguments: [-1, 0, 9, .max, .min])
  func widthsThatAreNoneReachNoDevice(width: Int) throws {
    try space.add(0x100..<0x108, device: device)
    #expect(space.read(address: 0x100, width: width) == (width > 0 ? .max : 0))
    space.write(address: 0x100, width: width, value: 1)
    #expect(device.accesses.events.isEmpty)
  }

  @Test func overlapIsRefusedAndNamed() throws {
    try space.add(0x100..<0x108, device: device)
    for range in [0x0ff..<0x101, 0x107..<0x109, 0x102..<0x103, 0x0..<0x1000] as [Range<UInt64>] {
      let error = #expect(throws: AddressSpaceConflict.self) {
        try space.add(range, device: device)
      }
      #expect(error?.occupied == 0x100..<0x108)
    }
    let error = #expect(throws: AddressSpaceConflict.self) {
      try space.add(0x104..<0x10c, device: device)
    }
    #expect(error?.description == "ports: 0x104–0x10b overlaps 0x100–0x107")
    try space.add(0xf8..<0x100, device: device)
    try space.add(0x108..<0x110, device: device)
  }

  @Test func removingNeedsRangeAndDevice() throws {
    let other = RecordingDevice(size: 8)
    try space.add(0x100..<0x108, device: device)
    space.remove(0x100..<0x108, device: other)
    space.remove(0x100..<0x104, device: device)
    #expect(space.read(address: 0x100, width: 1) == 0x88)
    space.remove(0x100..<0x108, device: device)
    #expect(space.read(address: 0x100, width: 1) == 0xff)
  }

  @Test func everyRangeIsFoundAmongMany() throws {
    let devices = (0..<40).map { RecordingDevice(size: 8, answer: UInt64($0)) }
    for index in devices.indices.shuffled() {
      let start = UInt64(index) * 16
      try space.add(start..<start + 8, device: devices[index])
    }
    for index in devices.indices {
      #expect(space.read(address: UInt64(index) * 16 + 7, width: 1) == UInt64(index))
      #expect(space.read(address: UInt64(index) * 16 + 8, width: 1) == 0xff)
    }
  }

  @Test func newcomerWaitsUntilItsPlaceIsFree() throws {
    let newcomer = RecordingDevice(size: 0x10, answer: 0x42)
    try space.add(0x100..<0x108, device: device)
    space.move(newcomer, from: nil, to: 0x0f8..<0x108)
    #expect(space.read(address: 0x100, width: 1) == 0x88)
    #expect(space.read(address: 0x0f8, width: 1) == 0xff)
    space.remove(0x100..<0x108, device: device)
    #expect(space.read(address: 0x100, width: 1) == 0x42)
    #expect(space.read(address: 0x0f8, width: 1) == 0x42)
  }

  @Test func waitingRangeCanMoveAway() throws {
    let newcomer = RecordingDevice(size: 8, answer: 0x42)
    try space.add(0x100..<0x108, device: device)
    space.move(newcomer, from: nil, to: 0x100..<0x108)
    space.move(newcomer, from: 0x100..<0x108, to: 0x200..<0x208)
    #expect(space.read(address: 0x100, width: 1) == 0x88)
    #expect(space.read(address: 0x200, width: 1) == 0x42)
    space.move(newcomer, from: 0x200..<0x208, to: nil)
    space.remove(0x100..<0x108, device: device)
    #expect(space.read(address: 0x100, width: 1) == 0xff)
  }

  /// The lock is not held while a device runs: a device may remove itself.
  @Test func deviceMayChangeTheSpaceFromWithin() throws {
    let device = SelfRemovingDevice(space: space)
    try space.add(SelfRemovingDevice.range, device: device)
    #expect(space.read(address: 0x100, width: 1) == 1)
    #expect(space.read(address: 0x100, width: 1) == 0xff)
  }
}

private final class SelfRemovingDevice: AddressSpaceDevice {
  static let range: Range<UInt64> = 0x100..<0x101
  private let space: AddressSpace

  init(space: AddressSpace) {
    self.space = space
  }

  func read(offset: UInt64, width: Int) -> UInt64 {
    space.remove(Self.range, device: self)
    return 1
  }

  func write(offset: UInt64, width: Int, value: UInt64) {}
}
