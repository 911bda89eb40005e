import Boot
import Testing

@Suite struct BootErrorTests {
  static let all: [BootError] = [
    .kernelEmpty, .kernelTruncated(size: 7), .notAKernel, .kernelCompressed(format: "gzip"),
    .unifiedKernelImage(sections: ["linux"]), .efiProgram,
    .kernel32Bit, .wrongArchitecture("arm64"), .bootProtocolTooOld(version: 0x020a),
    .badSetupHeader(field: "loadflags"), .notExecutable, .badELFHeader(field: "e_phnum"),
    .noSegments, .segmentTooSmall(address: 1), .kernelTooLow(address: 1),
    .kernelTooHigh(address: 1), .segmentsOverlap(address: 1), .entryOutsideKernel(address: 1),
    .badEntryNote(size: 3), .initrdEmpty, .initrdTooLarge(size: 1, available: 0),
    .commandLineTooLong(size: 2, limit: 1), .commandLineHasNUL, .memoryTooSmall(needed: 1),
    .memoryTooLarge(limit: 1), .memoryNotPages,
  ]

  @Test(arguments: all)
  func isOneLineWithARemedy(_ error: BootError) {
    let text = error.description
    #expect(!text.contains("\n"))
    #expect(!text.contains("unknown"))
    #expect(text.contains("; "), "no remedy: \(text)")
  }

  @Test func isDistinct() {
    #expect(Set(Self.all.map(\.description)).count == Self.all.count)
  }

  @Test(arguments: [
    (BootError.kernelEmpty, BootError.Culprit.kernel), (.kernelTooHigh(address: 0), .kernel),
    (.initrdEmpty, .initrd), (.initrdTooLarge(size: 0, available: 0), .initrd),
    (.commandLineHasNUL, .commandLine), (.commandLineTooLong(size: 0, limit: 0), .commandLine),
    (.memoryTooSmall(needed: 0), .memory), (.memoryTooLarge(limit: 0), .memory),
    (.memoryNotPages, .memory),
  ])
  func namesTheCulprit(_ error: BootError, _ culprit: BootError.Culprit) {
    #expect(error.culprit == culprit)
  }

  private static let phrases: [(BootError, String)] = [
    (.memoryTooSmall(needed: 40 * mebibyte), "at least 40 MiB"),
    (.memoryTooSmall(needed: 40 * mebibyte + 1), "at least 41 MiB"),
    (.initrdTooLarge(size: 5 * mebibyte + 1, available: 3 * mebibyte + 9), "6 MiB"),
    (.initrdTooLarge(size: 5 * mebibyte + 1, available: 3 * mebibyte + 9), "room for 3 MiB"),
    (.bootProtocolTooOld(version: 0x020a), "protocol 2.10"),
    (.notAKernel, "neither an ELF vmlinux nor a bzImage"),
    (.segmentsOverlap(address: 0x10_0000), "0x100000"),
    (.commandLineTooLong(size: 3000, limit: 2047), "at most 2047"),
  ]

  @Test(arguments: phrases)
  func saysHowMuch(_ error: BootError, _ words: String) {
    #expect(error.description.contains(words))
  }
}
