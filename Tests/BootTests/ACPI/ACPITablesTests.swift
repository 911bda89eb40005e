import Boot
import Testing

@Suite struct ACPITablesTests {
  private static let kernel = ELFFile.microGuest.bytes

  private func walk(cpus: Int = 1) throws -> ACPIWalk {
    try ACPIWalk(try bootPlan(Self.kernel, cpus: cpus), kernel: Self.kernel)
  }

  @Test(arguments: [1, 2, 255, 256, 4096])
  func everyTableIsReachedFromTheRoot(_ cpus: Int) throws {
    let tables = try walk(cpus: cpus).tables
    #expect(Set(tables.keys) == ["XSDT", "FACP", "APIC", "MCFG", "DSDT"])
  }

  @Test func bothProtocolsPointToTheRoot() throws {
    for kernel in [ELFFile.microGuest.bytes, BzImageFile().bytes] {
      let plan = try bootPlan(kernel)
      let memory = GuestImage(plan, kernel: kernel)
      let rsdp = memory.integer(
        UInt64.self,
        at: plan.entry.mode == .longMode ? plan.entry.rsi + 0x70 : plan.entry.rbx + 32)
      #expect(throws: Never.self) { try ACPIWalk(plan, kernel: kernel, rsdp: rsdp) }
    }
  }

  @Test func fixedHardwareIsDescribed() throws {
    let fadt = try walk()["FACP"]
    #expect(fadt.count == 276)
    #expect(fadt[8] == 6)
    #expect(fadt.integer(UInt16.self, at: 46) == 9)
    #expect(fadt.integer(UInt32.self, at: 48) == 0, "SMI_CMD")
    #expect(fadt.integer(UInt32.self, at: 56) == 0x600)
    #expect(fadt.integer(UInt32.self, at: 64) == 0x604)
    #expect(fadt.integer(UInt32.self, at: 76) == 0, "PM timer")
    #expect(fadt.integer(UInt32.self, at: 80) == 0x610)
    #expect(Array(fadt[88..<94]) == [4, 2, 0, 0, 4, 0])
    #expect(fadt.integer(UInt16.self, at: 109) == 0b101)
    let flags = fadt.integer(UInt32.self, at: 112)
    #expect(flags & 1 << 0 != 0, "WBINVD")
    #expect(flags & 1 << 4 == 0, "power button")
    #expect(flags & 1 << 5 != 0, "sleep button")
    #expect(flags & 1 << 10 != 0, "reset register")
    #expect(flags & 1 << 20 == 0, "hardware-reduced")
    #expect(fadt[116..<128] == [1, 8, 0, 1, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0])
    #expect(fadt[128] == 6)
    #expect(fadt[148..<160] == [1, 32, 0, 2, 0, 6, 0, 0, 0, 0, 0, 0])
    #expect(fadt[220..<232] == [1, 32, 0, 1, 0x10, 6, 0, 0, 0, 0, 0, 0])
    #expect(fadt[172..<184] == [1, 16, 0, 2, 4, 6, 0, 0, 0, 0, 0, 0])
    #expect(UInt64(fadt.integer(UInt32.self, at: 40)) == fadt.integer(UInt64.self, at: 140))
  }

  @Test func firmwareControlStructureIsAligned() throws {
    let walk = try walk()
    let address = UInt64(try walk["FACP"].integer(UInt32.self, at: 36))
    #expect(address % 64 == 0)
    #expect(walk.memory.bytes(at: address, count: 4) == Array("FACS".utf8))
    #expect(walk.memory.integer(UInt32.self, at: address + 4) == 64)
  }

  @Test func configurationSpaceOfBusZeroIsMapped() throws {
    let mcfg = try walk()["MCFG"]
    #expect(mcfg.count == 60)
    #expect(mcfg.integer(UInt64.self, at: 44) == 0xe000_0000)
    #expect(mcfg[52..<60] == [0, 0, 0, 0, 0, 0, 0, 0])
  }

  @Test(arguments: [1, 2, 8, 253, AddressMap.largestCPUCount])
  func everyCPUHasItsAPIC(_ cpus: Int) throws {
    let local = try controllers(cpus: cpus).filter { $0[0] == 0 }
    #expect(local.map { Int($0[3]) } == Array(0..<cpus))
    #expect(local.allSatisfy { $0.integer(UInt32.self, at: 4) == 1 })
  }

  @Test func interruptControllersAreWired() throws {
    let madt = try walk()["APIC"]
    #expect(madt.integer(UInt32.self, at: 36) == 0xfee0_0000)
    #expect(madt.integer(UInt32.self, at: 40) == 1)
    let entries = try controllers(cpus: 1)
    #expect(entries.filter { $0[0] == 1 } == [[1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]])
    #expect(
      entries.filter { $0[0] == 2 }
        == [[2, 10, 0, 0, 2, 0, 0, 0, 0, 0], [2, 10, 0, 9, 9, 0, 0, 0, 0xd, 0]])
    #expect(entries.filter { $0[0] == 4 } == [[4, 6, 0xff, 0, 0, 1]])
  }

  /// The MADT's entries; their lengths add up to the table's.
  private func controllers(cpus: Int) throws -> [[UInt8]] {
    let sizes: [UInt8: Int] = [0: 8, 1: 12, 2: 10, 4: 6, 9: 16, 10: 12]
    let madt = try walk(cpus: cpus)["APIC"]
    var entries: [[UInt8]] = []
    var offset = 44
    while offset < madt.count {
      let size = Int(madt[offset + 1])
      #expect(size == sizes[madt[offset]])
      try #require(size >= 2 && offset + size <= madt.count)
      entries.append(Array(madt[offset..<(offset + size)]))
      offset += size
    }
    return entries
  }
}
