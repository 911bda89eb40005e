import Boot
import Glibc
import TestSupport
import Testing

/// Mutated and random kernel files give an error or a sound plan, in memory that does not depend on
/// their content.
///
/// A failing run prints its seed; `SWIFTVM_FUZZ_SEED` repeats it and `SWIFTVM_FUZZ_COUNT` sets the
/// number of files.
@Suite struct KernelFuzzTests {
  @Test func neitherTrapsNorAllocatesWithoutBound() async {
    let seed = Self.environment("SWIFTVM_FUZZ_SEED") ?? UInt64.random(in: 0 ... .max)
    let count = Self.environment("SWIFTVM_FUZZ_COUNT") ?? 20_000
    // In a process of its own: a trap must not take the other tests along, and the limit on
    // memory must not bind them.
    await #expect(processExitsWith: .success, "SWIFTVM_FUZZ_SEED=\(seed)") {
      [seed = seed as UInt64, count = count as UInt64] in
      try Self.limitMemory(toAdditional: 32 << 20)
      var generator = SeededGenerator(seed: seed)
      for iteration in 0..<count {
        let file = Self.file(iteration, using: &generator)
        if let failure = Self.problem(with: file, &generator) {
          fatalError("file \(iteration): \(failure)")
        }
      }
    }
  }

  /// What is wrong with the plan made of `file`, if one is made.
  private static func problem(with file: [UInt8], _ generator: inout SeededGenerator) -> String? {
    do {
      let image = try kernelImage(file)
      for segment in image.segments {
        let end = segment.memory.upperBound
        guard segment.address >= mebibyte, end <= 3 * gibibyte,
          segment.file.clamped(to: 0..<file.count) == segment.file,
          UInt64(segment.file.count) <= segment.memorySize
        else { return "segment \(segment)" }
      }
      // Plans cost a hundred times what parsing does.
      guard generator.next() % 8 == 0 else { return nil }
      let request = BootRequest(
        memorySize: [2, 64, 3072, 16384][Int(generator.next() % 4)] * mebibyte, cpuCount: 1,
        commandLine: "quiet", initrdSize: generator.next() % (96 * mebibyte),
        pci64Window: 0..<0)
      let plan = try BootPlan(kernel: ImageBytes(file), request: request)
      let ram = MemoryMap.ram(size: request.memorySize)
      for placement in plan.placements {
        guard ram.contains(where: { $0.contains(placement.address) }) else {
          return "placement \(placement)"
        }
      }
    } catch {
      guard let error = error as? BootError, !error.description.isEmpty else { return "\(error)" }
    }
    return nil
  }

  private static let seeds = [
    ELFFile.microGuest.bytes, ELFFile.vmlinux.bytes, BzImageFile().bytes,
    Array(BzImageFile().bytes.prefix(0x264)),
  ]

  /// Every eighth file is noise with or without a magic number, the others are mutated.
  private static func file(_ iteration: UInt64, using generator: inout SeededGenerator) -> [UInt8] {
    guard iteration % 8 == 0 else {
      var file = seeds[Int(generator.next() % UInt64(seeds.count))]
      for _ in 0...(generator.next() % 4) { mutate(&file, using: &generator) }
      return file
    }
    var noise = (0..<(generator.next() % 1024)).map { _ in
      UInt8(truncatingIfNeeded: generator.next())
    }
    if noise.count > 0x206, iteration % 16 == 0 {
      noise.set(UInt16(0xaa55), at: 0x1fe)
      noise.set(UInt32(0x5372_6448), at: 0x202)
    } else if noise.count > 20, iteration % 24 == 0 {
      noise.replaceSubrange(0..<20, with: seeds[0][0..<20])
    }
    return noise
  }

  /// Puts a nasty number somewhere in the headers, flips a bit, or cuts the end off.
  private static func mutate(_ file: inout [UInt8], using generator: inout SeededGenerator) {
    let nasty: [UInt64] = [
      0, 1, 4, 8, 0x38, 0x40, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
      0x10_0000, 0xc000_0000, 0x1_0000_0000, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, .max,
      .max - 7, generator.next(), UInt64(file.count),
    ]
    guard file.count > 8 else { return }
    // Half of the time in the bzImage's setup header.
    let span = file.count > 0x280 && generator.next() % 2 == 0 ? 0x1f0..<0x268 : 0..<file.count
    let offset = min(
      span.lowerBound + Int(generator.next() % UInt64(span.count)), file.count - 8)
    let value = nasty[Int(generator.next() % UInt64(nasty.count))]
    switch generator.next() % 7 {
    case 0: file.set(UInt8(truncatingIfNeeded: value), at: offset)
    case 1: file.set(UInt16(truncatingIfNeeded: value), at: offset & ~1)
    case 2: file.set(UInt32(truncatingIfNeeded: value), at: offset & ~3)
    case 3, 4: file.set(value, at: offset & ~7)
    case 5: file[offset] ^= 1 << UInt8(generator.next() % 8)
    default: file.removeLast(Int(generator.next() % UInt64(file.count)))
    }
  }

  /// Makes this process fail when it maps more than `bytes` beyond what it has now.
  private static func limitMemory(toAdditional bytes: UInt) throws {
    let statm = try #require(fopen("/proc/self/statm", "r"))
    defer { fclose(statm) }
    var text = [CChar](repeating: 0, count: 128)
    try #require(fgets(&text, 128, statm) != nil)
    let pages = strtoul(text, nil, 10)
    try #require(pages > 0)
    let limit = rlim_t(pages * UInt(getpagesize()) + bytes)
    var limits = rlimit(rlim_cur: limit, rlim_max: limit)
    try #require(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limits) == 0)
  }

  private static func environment(_ name: String) -> UInt64? {
    getenv(name).flatMap { UInt64(String(cString: $0)) }
  }
}
