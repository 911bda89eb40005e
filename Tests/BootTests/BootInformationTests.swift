import Boot
import Testing

@Suite struct BootInformationTests {
  @Test func zeroPageOfABzImageKeepsItsHeader() throws {
    let file = BzImageFile().bytes
    let plan = try bootPlan(
      file, memory: 4 * gibibyte, commandLine: "console=ttyS0", initrd: 5000)
    let memory = GuestImage(plan, kernel: file)
    let page = memory.bytes(at: plan.entry.rsi, count: 4096)
    #expect(page.integer(UInt64.self, at: 0x070) == 0xe_0000)
    #expect(page.integer(UInt32.self, at: 0x0c0) == 0)
    #expect(page.integer(UInt32.self, at: 0x0c4) == 0)
    #expect(page.integer(UInt32.self, at: 0x0c8) == 0)
    #expect(page[0x1ef] == 0)
    #expect(page[0x1f1] == 1)
    #expect(page.integer(UInt16.self, at: 0x206) == 0x020f)
    #expect(page[0x210] == 0xff)
    #expect(page.integer(UInt32.self, at: 0x218) == 0x7fff_e000)
    #expect(page.integer(UInt32.self, at: 0x21c) == 5000)
    #expect(page.integer(UInt32.self, at: 0x228) == 0x2_0000)
    #expect(page.integer(UInt32.self, at: 0x230) == 0x20_0000)
    #expect(page.integer(UInt64.self, at: 0x250) == 0, "setup_data left from the file")
    #expect(page.integer(UInt64.self, at: 0x258) == 0x100_0000)
    #expect(page.integer(UInt32.self, at: 0x260) == 0x180_0000)
    #expect(page[0x26c..<0x2d0].allSatisfy { $0 == 0 })
    #expect(memory.bytes(at: 0x2_0000, count: 14) == Array("console=ttyS0".utf8) + [0])
    #expect(memory.initrd == 0x7fff_e000)
  }

  @Test func zeroPageOfAVmlinuxHasTheLeastHeader() throws {
    let file = ELFFile.vmlinux.bytes
    let plan = try bootPlan(file, commandLine: "quiet")
    let page = GuestImage(plan, kernel: file).bytes(at: plan.entry.rsi, count: 4096)
    #expect(page.integer(UInt16.self, at: 0x1fe) == 0xaa55)
    #expect(page.integer(UInt32.self, at: 0x202) == 0x5372_6448)
    #expect(page[0x210] == 0xff)
    #expect(page.integer(UInt64.self, at: 0x218) == 0, "no initrd")
    #expect(page.integer(UInt32.self, at: 0x228) == 0x2_0000)
    #expect(page.integer(UInt32.self, at: 0x238) == 5)
  }

  @Test(arguments: [64 * mebibyte, 3 * gibibyte, 16 * gibibyte])
  func zeroPageListsTheMemoryMap(_ size: UInt64) throws {
    let file = BzImageFile().bytes
    let plan = try bootPlan(file, memory: size)
    let page = GuestImage(plan, kernel: file).bytes(at: plan.entry.rsi, count: 4096)
    let entries = MemoryMap(memorySize: size).entries
    #expect(Int(page[0x1e8]) == entries.count)
    for (index, entry) in entries.enumerated() {
      let offset = 0x2d0 + 20 * index
      #expect(page.integer(UInt64.self, at: offset) == entry.range.lowerBound)
      #expect(page.integer(UInt64.self, at: offset + 8) == UInt64(entry.range.count))
      #expect(page.integer(UInt32.self, at: offset + 16) == entry.kind.rawValue)
    }
  }

  @Test(arguments: [2 * mebibyte, 16 * gibibyte])
  func startInfoPointsToEverything(_ size: UInt64) throws {
    let file = ELFFile.microGuest.bytes
    let plan = try bootPlan(file, memory: size, commandLine: "x", initrd: 4097)
    let memory = GuestImage(plan, kernel: file)
    let info = memory.bytes(at: plan.entry.rbx, count: 56)
    #expect(info.integer(UInt32.self, at: 0) == 0x336e_c578)
    #expect(info.integer(UInt32.self, at: 4) == 1)
    #expect(info.integer(UInt32.self, at: 8) == 0)
    #expect(info.integer(UInt32.self, at: 12) == 1)
    let module = info.integer(UInt64.self, at: 16)
    #expect(memory.integer(UInt64.self, at: module) == memory.initrd)
    #expect(memory.integer(UInt64.self, at: module + 8) == 4097)
    #expect(memory.bytes(at: info.integer(UInt64.self, at: 24), count: 2) == [0x78, 0])
    #expect(info.integer(UInt64.self, at: 32) == 0xe_0000)
    let map = info.integer(UInt64.self, at: 40)
    let entries = MemoryMap(memorySize: size).entries
    #expect(Int(info.integer(UInt32.self, at: 48)) == entries.count)
    for (index, entry) in entries.enumerated() {
      let bytes = memory.bytes(at: map + 24 * UInt64(index), count: 24)
      #expect(bytes.integer(UInt64.self, at: 0) == entry.range.lowerBound)
      #expect(bytes.integer(UInt64.self, at: 8) == UInt64(entry.range.count))
      #expect(bytes.integer(UInt32.self, at: 16) == entry.kind.rawValue)
      #expect(bytes.integer(UInt32.self, at: 20) == 0)
    }
  }

  @Test func startInfoWithoutInitrdHasNoModule() throws {
    let file = ELFFile.microGuest.bytes
    let plan = try bootPlan(file, memory: 2 * mebibyte)
    let info = GuestImage(plan, kernel: file).bytes(at: plan.entry.rbx, count: 56)
    #expect(info.integer(UInt32.self, at: 12) == 0)
    #expect(info.integer(UInt64.self, at: 16) == 0)
  }
}
