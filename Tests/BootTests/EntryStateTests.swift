import Boot
import Testing

@Suite struct EntryStateTests {
  @Test func pvhStartsIn32BitModeWithoutPaging() throws {
    let file = ELFFile.microGuest.bytes
    let plan = try bootPlan(file, memory: 2 * mebibyte)
    let entry = plan.entry
    #expect(entry.mode == .protected32)
    #expect(entry.rip == 0x10_0010)
    #expect(entry.rbx == AddressMap.startInfo)
    #expect(entry.rsi == 0)
    #expect(entry.cr3 == 0)
    // Raw values as in reference implementations of the protocol.
    #expect(
      descriptors(plan, file) == [
        0, 0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x8b00_0000_0067, 0,
      ])
  }

  @Test func linuxStartsInLongMode() throws {
    let file = BzImageFile().bytes
    let plan = try bootPlan(file)
    let entry = plan.entry
    #expect(entry.mode == .longMode)
    #expect(entry.rip == 0x100_0200)
    #expect(entry.rsi == AddressMap.zeroPage)
    #expect(entry.cr3 == AddressMap.pageTables)
    #expect(
      descriptors(plan, file) == [
        0, 0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x8b00_0000_0067, 0,
      ])
  }

  @Test func pageTablesMapFourGibibytesToThemselves() throws {
    let file = ELFFile.vmlinux.bytes
    let plan = try bootPlan(file)
    let memory = GuestImage(plan, kernel: file)
    for address in stride(from: UInt64(0), to: 4 * gibibyte, by: Int(2 * mebibyte)) {
      #expect(translate(address, memory, root: plan.entry.cr3) == address)
    }
    #expect(translate(4 * gibibyte, memory, root: plan.entry.cr3) == nil)
    #expect(translate(1 << 39, memory, root: plan.entry.cr3) == nil)
  }

  /// A walk of four-level page tables that expects 2 MiB pages.
  private func translate(_ address: UInt64, _ memory: GuestImage, root: UInt64) -> UInt64? {
    var table = root
    for shift in [39, 30, 21] as [UInt64] {
      let entry = memory.integer(UInt64.self, at: table + (address >> shift & 511) * 8)
      guard entry & 3 == 3 else { return nil }
      table = entry & ~0xfff
      if shift == 21 { return entry & 0x80 != 0 ? table : nil }
    }
    return nil
  }

  private func descriptors(_ plan: BootPlan, _ file: [UInt8]) -> [UInt64] {
    let memory = GuestImage(plan, kernel: file)
    return stride(from: UInt64(0), to: UInt64(plan.entry.gdtLimit), by: 8).map {
      memory.integer(UInt64.self, at: plan.entry.gdtBase + $0)
    }
  }
}
