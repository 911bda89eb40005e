import Boot
import Testing

@Suite struct BootPlanTests {
  private static let sizes: [UInt64] = [
    2 * mebibyte, 64 * mebibyte, 3 * gibibyte - 2 * mebibyte, 3 * gibibyte,
    3 * gibibyte + 2 * mebibyte, 16 * gibibyte,
  ]
  private static let kernels = [
    ELFFile.microGuest.bytes, ELFFile.vmlinux.bytes, BzImageFile().bytes,
  ]

  @Test(arguments: sizes, [nil, 1, 4096, 700_001] as [UInt64?])
  func placementsLieInRAMWithoutOverlap(_ memory: UInt64, _ initrd: UInt64?) throws {
    for file in Self.kernels {
      let image = try kernelImage(file)
      guard memory >= image.footprint.upperBound else { continue }
      let plan = try bootPlan(
        file, memory: memory, cpus: AddressMap.largestCPUCount,
        commandLine: String(repeating: "x", count: 2047), initrd: initrd)
      var used = plan.placements.map { extent($0, initrd: initrd) }
      #expect(used.contains { $0.lowerBound == image.footprint.lowerBound })
      // What the kernel's image occupies beyond its file counts as used too.
      used += image.segments.filter { UInt64($0.file.count) < $0.memorySize }.map {
        ($0.address + UInt64($0.file.count))..<$0.memory.upperBound
      }
      used.sort { $0.lowerBound < $1.lowerBound }
      for (range, next) in zip(used, used.dropFirst()) {
        #expect(range.upperBound <= next.lowerBound)
      }
      let ram = MemoryMap.ram(size: memory)
      #expect(used.allSatisfy { range in ram.contains { range.clamped(to: $0) == range } })
      #expect(used.allSatisfy { !$0.isEmpty })
    }
  }

  @Test func kernelBytesArriveWhereTheyBelong() throws {
    for file in Self.kernels {
      let memory = GuestImage(try bootPlan(file), kernel: file)
      for segment in try kernelImage(file).segments {
        #expect(
          memory.bytes(at: segment.address, count: segment.file.count) == Array(file[segment.file]))
      }
    }
  }

  @Test func initrdGoesToTheEndOfLowMemory() throws {
    for (memory, end) in [
      (2 * mebibyte, 2 * mebibyte), (64 * mebibyte, 64 * mebibyte), (3 * gibibyte, 3 * gibibyte),
      (16 * gibibyte, 3 * gibibyte),
    ] {
      let file = ELFFile.microGuest.bytes
      let plan = try bootPlan(file, memory: memory, initrd: 4097)
      #expect(GuestImage(plan, kernel: file).initrd == end - 8192)
    }
  }

  @Test func initrdStaysBelowTheKernelsLimit() throws {
    let file = BzImageFile(initrdAddressMax: 0x37ff_ffff).bytes
    let plan = try bootPlan(file, memory: 16 * gibibyte, initrd: 4096)
    #expect(GuestImage(plan, kernel: file).initrd == 0x3800_0000 - 4096)
  }

  @Test func initrdFillsTheRoomButNoMore() throws {
    let file = BzImageFile().bytes
    let room = 64 * mebibyte - 0x280_0000
    let plan = try bootPlan(file, initrd: room)
    #expect(GuestImage(plan, kernel: file).initrd == 0x280_0000)
    #expect(throws: BootError.initrdTooLarge(size: room + 1, available: room)) {
      try bootPlan(file, initrd: room + 1)
    }
    #expect(throws: BootError.initrdTooLarge(size: .max, available: room)) {
      try bootPlan(file, initrd: .max)
    }
    #expect(throws: BootError.initrdTooLarge(size: 1, available: 0)) {
      try bootPlan(BzImageFile(initrdAddressMax: 0).bytes, initrd: 1)
    }
    #expect(throws: BootError.initrdEmpty) { try bootPlan(file, initrd: 0) }
  }

  @Test func memoryMustHoldTheKernel() throws {
    let file = BzImageFile().bytes
    #expect(throws: Never.self) { try bootPlan(file, memory: 0x280_0000) }
    for memory in [0, 1, 2 * mebibyte, 0x280_0000 - 4096] as [UInt64] {
      #expect(throws: BootError.memoryTooSmall(needed: 0x280_0000)) {
        try bootPlan(file, memory: memory)
      }
    }
  }

  @Test func memoryMustBePagesWithinTheAddressMap() throws {
    let file = ELFFile.microGuest.bytes
    #expect(throws: BootError.memoryNotPages) { try bootPlan(file, memory: 2 * mebibyte + 512) }
    #expect(throws: Never.self) { try bootPlan(file, memory: AddressMap.largestMemory) }
    for memory in [AddressMap.largestMemory + 4096, .max] as [UInt64] {
      #expect(throws: BootError.memoryTooLarge(limit: AddressMap.largestMemory)) {
        try bootPlan(file, memory: memory)
      }
    }
  }

  @Test func commandLineFitsExactly() throws {
    for (file, limit) in [
      (ELFFile.microGuest.bytes, 2047), (ELFFile.vmlinux.bytes, 2047),
      (BzImageFile(commandLineSize: 300).bytes, 300),
    ] {
      let text = String(repeating: "é", count: limit / 2) + (limit % 2 == 1 ? "x" : "")
      let memory = GuestImage(try bootPlan(file, commandLine: text), kernel: file)
      let bytes = memory.bytes(at: AddressMap.commandLine, count: limit + 1)
      #expect(bytes == Array(text.utf8) + [0])
      #expect(throws: BootError.commandLineTooLong(size: limit + 1, limit: limit)) {
        try bootPlan(file, commandLine: text + "x")
      }
    }
  }

  @Test func commandLineHasNoNUL() {
    #expect(throws: BootError.commandLineHasNUL) {
      try bootPlan(ELFFile.microGuest.bytes, commandLine: "a\0b")
    }
  }

  @Test func damagedKernelsAreReportedBeforeTheRest() {
    #expect(throws: BootError.kernelEmpty) {
      try bootPlan([], memory: 0, commandLine: "\0", initrd: 0)
    }
  }

  private func extent(_ placement: BootPlan.Placement, initrd: UInt64?) -> Range<UInt64> {
    let size: UInt64
    switch placement.source {
    case .kernelFile(let range): size = UInt64(range.count)
    case .bytes(let bytes): size = UInt64(bytes.count)
    case .initrdFile: size = initrd ?? 0
    }
    return placement.address..<(placement.address + size)
  }
}
