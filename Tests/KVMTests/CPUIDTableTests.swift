import Testing

@testable import KVM

@Suite struct CPUIDTableTests {
  private func intel() -> CPUIDTable {
    var table = CPUIDTable()
    table.set(0, to: .init(eax: 0x1f, ebx: 0x756e_6547, ecx: 0x6c65_746e, edx: 0x4965_6e69))
    table.set(1, to: .init(ebx: 0x0510_0811, ecx: 0x0000_802c, edx: 0x1000_0000))
    table.set(4, subleaf: 0, to: .init(eax: 0x1c00_4121))
    table.set(4, subleaf: 1, to: .init(eax: 0x1c03_c163))
    table.set(4, subleaf: 2, to: .init(eax: 0))
    table.set(0xb, subleaf: 0, to: .init(eax: 1, ebx: 2, ecx: 0x100, edx: 99))
    table.set(0x1f, subleaf: 0, to: .init(eax: 1, ebx: 2, ecx: 0x100, edx: 99))
    table.set(0x4000_0000, to: .init(eax: 0x4000_0001, ebx: 0x4b4d_564b))
    return table
  }

  private func amd() -> CPUIDTable {
    var table = CPUIDTable()
    table.set(0, to: .init(eax: 0x10, ebx: 0x6874_7541, ecx: 0x444d_4163, edx: 0x6974_6e65))
    table.set(1, to: .init(ecx: 0x8000_0000))
    table.set(0x8000_0001, to: .init(ecx: 0x0040_0004))
    table.set(0x8000_0008, to: .init(eax: 0x3030, ecx: 0x0001_703f))
    table.set(0x8000_000a, to: .init(eax: 1, ebx: 8))
    table.set(0x8000_001d, subleaf: 3, to: .init(eax: 0x0001_c163))
    table.set(0x8000_001e, to: .init(eax: 7, ebx: 0x103, ecx: 0x201))
    table.set(0x8000_0026, subleaf: 0, to: .init(ebx: 2))
    return table
  }

  @Test func leafOneNamesTheProcessor() throws {
    var table = intel()
    table.fit(processor: 2, of: 3, tscDeadline: true)
    let leaf = try #require(table.leaf(1))
    #expect(leaf.ebx == 0x0203_0811)
    #expect(leaf.ecx == 0x8100_0004)  // hypervisor and TSC deadline; PDCM, VMX, MONITOR gone
    #expect(leaf.edx == 0x1000_0000)
  }

  @Test func oneProcessorHasNoSiblings() throws {
    var table = intel()
    table.fit(processor: 0, of: 1, tscDeadline: false)
    let leaf = try #require(table.leaf(1))
    #expect(leaf.ebx >> 16 == 0x0001)
    #expect(leaf.ecx >> 24 & 1 == 0)
    #expect(leaf.edx >> 28 & 1 == 0)
    #expect(table.leaf(0xb, subleaf: 1) == .init(eax: 0, ebx: 1, ecx: 0x201))
  }

  @Test(arguments: [0xb, 0x1f] as [UInt32])
  func extendedTopologyIsOneThreadPerCore(function: UInt32) {
    var table = intel()
    table.fit(processor: 4, of: 6, tscDeadline: true)
    #expect(table.leaf(function, subleaf: 0) == .init(eax: 0, ebx: 1, ecx: 0x100, edx: 4))
    #expect(table.leaf(function, subleaf: 1) == .init(eax: 3, ebx: 6, ecx: 0x201, edx: 4))
    #expect(table.leaf(function, subleaf: 2) == .init(ecx: 2, edx: 4))
  }

  @Test func theLastLevelCacheIsSharedByAll() {
    var table = intel()
    table.fit(processor: 0, of: 3, tscDeadline: true)
    // Bits 31–26 count cores, 25–14 the processors that share the cache, each less one.
    #expect(table.leaf(4, subleaf: 0)?.eax == 0x0c00_0121)
    #expect(table.leaf(4, subleaf: 1)?.eax == 0x0c00_c163)
    #expect(table.leaf(4, subleaf: 2)?.eax == 0)
  }

  @Test func theHypervisorsOwnLeavesStay() {
    var table = intel()
    table.fit(processor: 0, of: 1, tscDeadline: true)
    #expect(table.leaf(0x4000_0000) == .init(eax: 0x4000_0001, ebx: 0x4b4d_564b))
  }

  @Test func amdTellsTheNumberOfCores() {
    var table = amd()
    table.fit(processor: 4, of: 5, tscDeadline: true)
    #expect(table.leaf(0x8000_0001)?.ecx == 0x0040_0002)  // CmpLegacy on, SVM off
    #expect(table.leaf(0x8000_0008)?.ecx == 0x0001_3004)
    #expect(table.leaf(0x8000_0008)?.eax == 0x3030)
    #expect(table.leaf(0x8000_000a) == .init())
    #expect(table.leaf(0x8000_001e) == .init(eax: 4, ebx: 4, ecx: 0))
    #expect(table.leaf(0x8000_001d, subleaf: 3)?.eax == 0x0001_c163)
    #expect(table.leaf(0x8000_0026) == nil)
    #expect(table.leaf(0x1f) == nil)
  }

  /// A table may come in any shape: no leaf is made up but the topology of a host that has 0xB.
  @Test func anEmptyTableStaysEmpty() {
    var table = CPUIDTable()
    table.fit(processor: 300, of: 400, tscDeadline: true)
    #expect(table.leaf(0) == nil)
    #expect(table.leaf(1) == nil)
    #expect(table.leaf(0xb) == nil)
  }
}
