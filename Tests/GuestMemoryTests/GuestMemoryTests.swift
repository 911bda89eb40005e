import Glibc
import GuestMemory
import Host
import Testing

@Suite struct GuestMemoryTests {
  static let page: UInt64 = 4096

  /// Two pages at 0, a hole, two pages at 64 KiB.
  private func makeMemory() throws -> GuestMemory {
    try GuestMemory(regions: [0..<2 * Self.page, 0x1_0000..<0x1_0000 + 2 * Self.page])
  }

  @Test(
    "Host and guest addresses are alike modulo 2 MiB, as KVM's large pages need it",
    arguments: [
      [0..<0x4000_0000, 0x1_0000_0000..<0x1_2000_0000],
      [0x1000..<0x40_0000, 0x40_1000..<0x90_3000], [0x1f_f000..<0x20_0000],
    ] as [[Range<UInt64>]])
  func isAligned(ranges: [Range<UInt64>]) throws {
    let memory = try GuestMemory(regions: ranges)
    #expect(memory.regions.count == ranges.count)
    for (region, range) in zip(memory.regions, ranges) {
      let host = UInt64(UInt(bitPattern: region.hostAddress))
      #expect(host % (2 << 20) == range.lowerBound % (2 << 20))
      try memory.store(7 as UInt8, at: range.lowerBound)
      try memory.store(8 as UInt8, at: range.upperBound - 1)
      #expect(try memory.load(range.lowerBound, as: UInt8.self) == 7)
    }
  }

  @Test func startsOutAsZeros() throws {
    let memory = try makeMemory()
    var bytes = [UInt8](repeating: 0xff, count: Int(2 * Self.page))
    try bytes.withUnsafeMutableBytes { try memory.read(0x1_0000, into: $0) }
    #expect(bytes.allSatisfy { $0 == 0 })
  }

  @Test(
    arguments: [
      (0, 1), (0, 8192), (8191, 1), (8184, 8), (0x1_0000, 8192), (0x1_1fff, 1),
      // Empty ranges, at an end too.
      (0, 0), (8192, 0), (0x1_2000, 0),
    ] as [(UInt64, UInt64)])
  func acceptsWhatLiesInOneRegion(address: UInt64, count: UInt64) throws {
    let memory = try makeMemory()
    let region = try #require(memory.regions.last { $0.guestAddress <= address })
    let expected = region.hostAddress + Int(address - region.guestAddress)
    #expect(try memory.pointer(at: address, count: count) == expected)
  }

  @Test(
    arguments: [
      (8192, 1), (8191, 2), (0, 8193), (0xffff, 1),  // the hole, and into it
      (0xffff, 2),  // out of the hole
      (0, 0x1_0001), (0, 0x1_2000),  // across it
      (0x1_2000, 1), (0x1_1fff, 2),  // past the end
      (.max, 1), (.max, .max), (1, .max), (0, .max), (0x1_0001, .max), (.max - 7, 8),  // overflow
      (9000, 0), (.max, 0),
    ] as [(UInt64, UInt64)])
  func refusesWhatDoesNot(address: UInt64, count: UInt64) throws {
    let memory = try makeMemory()
    #expect(throws: GuestMemoryError.outOfRange(address: address, count: count)) {
      try memory.pointer(at: address, count: count)
    }
  }

  @Test func integersAreLittleEndianAndNeedNoAlignment() throws {
    let memory = try makeMemory()
    try memory.store(0x0102_0304_0506_0708 as UInt64, at: 3)
    #expect(try (3..<11).map { try memory.load($0, as: UInt8.self) } == [8, 7, 6, 5, 4, 3, 2, 1])
    #expect(try memory.load(3, as: UInt16.self) == 0x0708)
    #expect(try memory.load(5, as: UInt32.self) == 0x0304_0506)
    #expect(try memory.load(3, as: UInt64.self) == 0x0102_0304_0506_0708)
    try memory.store(-2 as Int16, at: 100)
    #expect(try memory.load(100, as: Int16.self) == -2)
    #expect(try memory.load(100, as: UInt32.self) == 0xfffe)
    try memory.store(UInt128(1) << 100 | 5, at: 200)
    #expect(try memory.load(200, as: UInt128.self) == UInt128(1) << 100 | 5)
  }

  @Test func integersAcrossAnEndAreRefusedAndWriteNothing() throws {
    let memory = try makeMemory()
    #expect(throws: GuestMemoryError.outOfRange(address: 8190, count: 4)) {
      try memory.store(UInt32.max, at: 8190)
    }
    #expect(throws: GuestMemoryError.outOfRange(address: 8190, count: 4)) {
      try memory.load(8190, as: UInt32.self)
    }
    #expect(try memory.load(8190, as: UInt16.self) == 0)
  }

  @Test func copiesGoInAndOut() throws {
    let memory = try makeMemory()
    let text = Array("guest memory".utf8)
    try text.withUnsafeBytes { try memory.write($0, at: 0x1_1ff4) }
    var back = [UInt8](repeating: 0, count: text.count)
    try back.withUnsafeMutableBytes { try memory.read(0x1_1ff4, into: $0) }
    #expect(back == text)
    #expect(throws: GuestMemoryError.outOfRange(address: 0x1_1ff5, count: 12)) {
      try text.withUnsafeBytes { try memory.write($0, at: 0x1_1ff5) }
    }
    // Nothing to copy is fine even without a buffer.
    try memory.write(UnsafeRawBufferPointer(start: nil, count: 0), at: 0)
  }

  @Test(
    arguments: [
      [], [0..<0], [0..<100], [1..<4097], [4096..<8192, 0..<4096], [0..<8192, 4096..<12288],
      [0..<UInt64.max & ~4095],
    ] as [[Range<UInt64>]])
  func refusesRangesThatCannotBe(_ ranges: [Range<UInt64>]) {
    #expect(throws: SystemError("mmap of guest memory", errno: EINVAL)) {
      try GuestMemory(regions: ranges)
    }
  }

  @Test func reportsMemoryTheHostCannotMap() {
    let tooMuch: UInt64 = 1 << 62
    #expect(throws: SystemError("mmap of \(tooMuch >> 20) MiB of guest memory", errno: ENOMEM)) {
      try GuestMemory(regions: [0..<Self.page, Self.page..<Self.page + tooMuch])
    }
  }

  @Test func manyRegionsAreAllFound() throws {
    let ranges = (0..<8).map { ($0 * 3 * Self.page)..<(($0 * 3 + 1) * Self.page) }
    let memory = try GuestMemory(regions: ranges)
    for (index, range) in ranges.enumerated() {
      try memory.store(UInt32(index), at: range.upperBound - 4)
    }
    #expect(try ranges.map { try memory.load($0.upperBound - 4, as: UInt32.self) } == Array(0..<8))
    #expect(memory.regions.map(\.guestAddress) == ranges.map(\.lowerBound))
  }
}
