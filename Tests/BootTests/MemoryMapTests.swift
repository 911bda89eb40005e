import Boot
import Testing

@Suite struct MemoryMapTests {
  private static let low = 3 * gibibyte
  private static let high = 4 * gibibyte

  @Test(
    arguments: [
      (0, []),
      (2 * mebibyte, [0..<(2 * mebibyte)]),
      (low - 2 * mebibyte, [0..<(low - 2 * mebibyte)]),
      (low, [0..<low]),
      (low + 2 * mebibyte, [0..<low, high..<(high + 2 * mebibyte)]),
      (16 * gibibyte, [0..<low, high..<(17 * gibibyte)]),
      (.max, [0..<low, high..<(1 << 46)]),
    ] as [(UInt64, [Range<UInt64>])])
  func ramLeavesTheHoleOut(_ size: UInt64, _ ranges: [Range<UInt64>]) {
    #expect(MemoryMap.ram(size: size) == ranges)
  }

  @Test(arguments: [mebibyte, 2 * mebibyte, 64 * mebibyte, low, low + 2 * mebibyte, 16 * gibibyte])
  func entriesAscendWithoutOverlap(_ size: UInt64) {
    let entries = MemoryMap(memorySize: size).entries
    for (entry, next) in zip(entries, entries.dropFirst()) {
      #expect(entry.range.upperBound <= next.range.lowerBound)
    }
    #expect(entries.allSatisfy { !$0.range.isEmpty })
  }

  @Test func usableMemoryIsAllRAMButTheFirmwareArea() {
    for size in [2 * mebibyte, Self.low, 16 * gibibyte] {
      let usable = MemoryMap(memorySize: size).entries.filter { $0.kind == .ram }
      let total = usable.reduce(0) { $0 + UInt64($1.range.count) }
      #expect(total == size - (0x10_0000 - 0x9_fc00))
    }
  }

  @Test func reservesFirmwareECAMAndKVMPages() {
    let reserved = MemoryMap(memorySize: 16 * gibibyte).entries
      .filter { $0.kind == .reserved }.map(\.range)
    #expect(
      reserved == [0x9_fc00..<0x10_0000, 0xe000_0000..<0xf000_0000, 0xfffb_c000..<0xfffc_0000])
  }

  @Test func addressMapPartsDoNotOverlap() {
    let parts: [Range<UInt64>] = [
      AddressMap.pci32Window, AddressMap.ecamReserved,
      AddressMap.ioAPIC..<(AddressMap.ioAPIC + 0x1000),
      AddressMap.localAPIC..<(AddressMap.localAPIC + 0x1000), AddressMap.kvmReserved,
    ]
    for (part, next) in zip(parts, parts.dropFirst()) {
      #expect(part.upperBound <= next.lowerBound)
    }
    #expect(parts.allSatisfy { $0.clamped(to: AddressMap.hole) == $0 })
    #expect(AddressMap.ecam.clamped(to: AddressMap.ecamReserved) == AddressMap.ecam)
  }
}
