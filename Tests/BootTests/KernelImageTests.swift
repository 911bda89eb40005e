import Boot
import Testing

@Suite struct KernelImageTests {
  @Test func rejectsAnEmptyFile() {
    #expect(throws: BootError.kernelEmpty) { try kernelImage([]) }
  }

  @Test(
    arguments: [
      ([0x1f, 0x8b, 8], "gzip"), ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], "xz"),
      ([0x28, 0xb5, 0x2f, 0xfd], "zstd"), ([0x42, 0x5a, 0x68, 0x39], "bzip2"),
      ([0x02, 0x21, 0x4c, 0x18], "lz4"), ([0x04, 0x22, 0x4d, 0x18], "lz4"),
      ([0x5d, 0, 0, 1], "lzma"), ([0x89, 0x4c, 0x5a, 0x4f], "lzo"),
    ] as [([UInt8], String)])
  func namesTheCompression(_ file: [UInt8], _ format: String) {
    #expect(throws: BootError.kernelCompressed(format: format)) { try kernelImage(file) }
  }

  @Test func recognizesAnArm64Image() {
    let file = [UInt8](repeating: 0, count: 56) + Array("ARMd".utf8)
    #expect(throws: BootError.wrongArchitecture("arm64")) { try kernelImage(file) }
  }

  /// A PE file with these sections, and nothing else that a firmware would want.
  private func portableExecutable(_ sections: [String], count: UInt16? = nil) -> [UInt8] {
    var file = [UInt8](repeating: 0, count: 1024)
    file.replaceSubrange(0..<2, with: Array("MZ".utf8))
    file.set(UInt32(0x80), at: 0x3c)
    file.replaceSubrange(0x80..<0x84, with: Array("PE\0\0".utf8))
    file.set(count ?? UInt16(sections.count), at: 0x86)
    file.set(UInt16(0xf0), at: 0x94)
    for (index, name) in sections.enumerated() {
      let start = 0x98 + 0xf0 + 40 * index
      file.replaceSubrange(start..<(start + name.utf8.count), with: Array(name.utf8))
    }
    return file
  }

  @Test("A unified kernel image is named, with the command that unpacks it")
  func recognizesAUnifiedKernelImage() {
    let error = BootError.unifiedKernelImage(sections: ["linux", "initrd"])
    #expect(throws: error) {
      try kernelImage(portableExecutable([".osrel", ".initrd", ".text", ".linux"]))
    }
    #expect(
      error.description == "a unified kernel image (PE sections .linux, .initrd); take each of"
        + " these out and give it: objcopy -O binary -j .linux IMAGE linux"
        + " && objcopy -O binary -j .initrd IMAGE initrd")
    #expect(throws: BootError.efiProgram) { try kernelImage(portableExecutable([".text"])) }
    #expect(throws: BootError.efiProgram) {
      try kernelImage(portableExecutable([], count: .max))
    }
    #expect(throws: BootError.notAKernel) {
      try kernelImage(Array(portableExecutable([".linux"]).prefix(0x90)))
    }
  }

  @Test(
    arguments: [[0], Array("#!/bin/sh\n".utf8), Array(repeating: 0x7f, count: 5000)] as [[UInt8]])
  func rejectsOtherFiles(_ file: [UInt8]) {
    #expect(throws: BootError.notAKernel) { try kernelImage(file) }
  }
}
