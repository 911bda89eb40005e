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
    #expect(entry.cr0 == 0x11)
    #expect(entry.cr3 == 0)
    #expect(entry.cr4 == 0)
    #expect(entry.efer == 0)
    #expect(entry.rflags == 2)
    #expect(entry.cs.base == 0)
    #expect(entry.cs.limit == 0xffff_ffff)
    #expect(entry.cs.selector == 0x10)
    #expect((entry.cs.type, entry.cs.s, entry.cs.dpl, entry.cs.present) == (11, 1, 0, 1))
    #expect((entry.cs.l, entry.cs.db, entry.cs.g) == (0, 1, 1))
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
    #expect(entry.cr0 == 0x8000_0011)
    #expect(entry.cr3 == AddressMap.pageTables)
    #expect(entry.cr4 == 0x20)
    #expect(entry.efer == 0x500)
    #expect(entry.cs.selector == 0x10)
    #expect(entry.ds.selector == 0x18)
    #expect(entry.ds.limit == 0xffff_ffff)
    #expect(entry.tr.type == 11)
    #expect(entry.tr.limit == 0x67)
    #expect(
      descriptors(plan, file) == [
        0, 0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x8b00_0000_0067, 0,
      ])
  }

  @Test func packsBaseAndPrivilegeIntoTheDescriptor() throws {
    var segment = try bootPlan(ELFFile.microGuest.bytes).entry.ds
    segment.base = 0x1234_5678
    segment.limit = 0xa_bcde
    segment.dpl = 3
    segment.g = 0
    #expect(segment.descriptor == 0x124a_f334_5678_bcde)
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
