import Boot
import Testing

@Suite struct BzImageTests {
  @Test func loadsAtThePreferredAddress() throws {
    let file = BzImageFile().bytes
    let image = try kernelImage(file)
    #expect(image.entry == EntryState(.longMode, rip: 0x100_0200))
    #expect(image.footprint == 0x100_0000..<0x280_0000)
    let segment = try #require(image.segments.first)
    #expect(image.segments.count == 1)
    #expect(segment.file == 1024..<file.count)
    #expect(image.commandLineLimit == 2047)
    #expect(image.initrdLimit == 0x8000_0000)
  }

  @Test func zeroSetupSectorsMeanFour() throws {
    let image = try kernelImage(BzImageFile(setupSectors: 0).bytes)
    #expect(image.segments.first?.file.lowerBound == 5 * 512)
  }

  @Test func alignsARelocatableKernel() throws {
    let image = try kernelImage(
      BzImageFile(alignment: 0x100_0000, preferredAddress: 0x110_0000).bytes)
    #expect(image.footprint.lowerBound == 0x200_0000)
    #expect(image.entry == EntryState(.longMode, rip: 0x200_0200))
  }

  @Test func withoutAPreferenceLoadsAtTheFirstAlignedAddress() throws {
    let image = try kernelImage(BzImageFile(preferredAddress: 0).bytes)
    #expect(image.footprint.lowerBound == 0x20_0000)
  }

  @Test func leavesAFixedKernelWhereItWantsToBe() throws {
    let image = try kernelImage(
      BzImageFile(alignment: 0, relocatable: 0, preferredAddress: 0x110_0000).bytes)
    #expect(image.footprint.lowerBound == 0x110_0000)
  }

  @Test func reservesAtLeastTheFilesSize() throws {
    let image = try kernelImage(BzImageFile(initSize: 16).bytes)
    #expect(image.footprint == 0x100_0000..<0x100_0600)
  }

  @Test func keepsTheSetupHeaderToItsEnd() throws {
    let file = BzImageFile().bytes
    #expect(try kernelImage(file).setupHeader == Array(file[0x1f1..<0x26c]))
  }

  @Test func keepsAnOverlongSetupHeaderOffTheNextField() throws {
    let file = BzImageFile(jump: 0xff).bytes
    #expect(try kernelImage(file).setupHeader == Array(file[0x1f1..<0x290]))
  }

  @Test(arguments: [(UInt32(0), 255), (100, 100), (UInt32.max, 0xffff)])
  func boundsTheCommandLine(_ stated: UInt32, _ limit: Int) throws {
    #expect(try kernelImage(BzImageFile(commandLineSize: stated).bytes).commandLineLimit == limit)
  }

  @Test func acceptsASignatureAtTheEnd() throws {
    let file = BzImageFile(paragraphs: 64).bytes
    #expect(try kernelImage(file).segments.first?.file.upperBound == file.count)
  }

  @Test(arguments: [
    (BzImageFile(version: 0x020b), BootError.bootProtocolTooOld(version: 0x020b)),
    (BzImageFile(version: 0), .bootProtocolTooOld(version: 0)),
    (BzImageFile(extendedLoadFlags: 0x3e), .kernel32Bit),
    (BzImageFile(loadFlags: 0x80), .badSetupHeader(field: "loadflags")),
    (BzImageFile(jump: 0x61), .badSetupHeader(field: "length")),
    (BzImageFile(alignment: 0), .badSetupHeader(field: "kernel_alignment")),
    (BzImageFile(alignment: 0x30_0000), .badSetupHeader(field: "kernel_alignment")),
    (BzImageFile(relocatable: 0, preferredAddress: 0), .kernelTooLow(address: 0)),
    (BzImageFile(preferredAddress: .max), .kernelTooHigh(address: .max)),
    (BzImageFile(initSize: .max), .kernelTooHigh(address: 0x100_0000 + UInt64(UInt32.max))),
    (BzImageFile(bootFlag: 0), .notAKernel),
    (BzImageFile(magic: Array("HdrX".utf8)), .notAKernel),
  ])
  func rejects(_ file: BzImageFile, _ error: BootError) {
    #expect(throws: error) { try kernelImage(file.bytes) }
  }

  @Test func rejectsEveryTruncation() {
    let file = BzImageFile().bytes
    for size in 0x206..<file.count {
      #expect(throws: BootError.kernelTruncated(size: size)) {
        try kernelImage(Array(file.prefix(size)))
      }
    }
  }

  @Test(arguments: [
    BzImageFile(setupSectors: 255, payload: []),
    BzImageFile(payload: Array(repeating: 1, count: 0x200)),
    BzImageFile(paragraphs: .max),
  ])
  func rejectsAFileThatEndsTooSoon(_ sample: BzImageFile) {
    let file = sample.bytes
    #expect(throws: BootError.kernelTruncated(size: file.count)) { try kernelImage(file) }
  }
}
