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

  @Test(
    arguments: [[0], Array("#!/bin/sh\n".utf8), Array(repeating: 0x7f, count: 5000)] as [[UInt8]])
  func rejectsOtherFiles(_ file: [UInt8]) {
    #expect(throws: BootError.notAKernel) { try kernelImage(file) }
  }
}
