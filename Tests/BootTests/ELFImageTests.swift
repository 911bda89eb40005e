import Boot
import Testing

@Suite struct ELFImageTests {
  @Test func entersThroughThePVHNote() throws {
    let image = try kernelImage(ELFFile.microGuest.bytes)
    #expect(image.entry == EntryState(.protected32, rip: 0x10_0010))
    #expect(image.footprint == 0x10_0000..<0x10_3000)
    #expect(image.segments.count == 1)
    #expect(image.commandLineLimit == 2047)
    #expect(image.setupHeader == nil)
  }

  @Test func findsSegmentContentInTheFile() throws {
    let file = ELFFile.microGuest.bytes
    let segment = try #require(try kernelImage(file).segments.first)
    #expect(Array(file[segment.file]) == [UInt8](1...64))
    #expect(segment.memory == 0x10_0000..<0x10_3000)
  }

  @Test func acceptsAnEightByteEntryInEightAlignedNotes() throws {
    var descriptor: [UInt8] = []
    descriptor.add(UInt64(0x10_0020))
    var file = ELFFile.microGuest
    file.segments[1] = ELFFile.notes(
      [
        ELFFile.note(name: "GNU", type: 5, descriptor: [1, 2, 3, 4], alignment: 8),
        ELFFile.note(name: "Xen", type: 18, descriptor: descriptor, alignment: 8),
      ], alignment: 8)
    #expect(try kernelImage(file.bytes).entry == EntryState(.protected32, rip: 0x10_0020))
  }

  @Test func findsTheNoteInAnySegment() throws {
    var file = ELFFile.microGuest
    file.segments.insert(
      ELFFile.notes([ELFFile.note(name: "Xen", type: 6, descriptor: [0, 0])]), at: 0)
    #expect(try kernelImage(file.bytes).entry == EntryState(.protected32, rip: 0x10_0010))
  }

  @Test func withoutTheNoteEntersIn64BitMode() throws {
    let image = try kernelImage(ELFFile.vmlinux.bytes)
    #expect(image.entry == EntryState(.longMode, rip: 0x100_0008))
    #expect(image.footprint == 0x100_0000..<0x140_0000)
  }

  @Test func translatesAVirtualEntry() throws {
    var file = ELFFile.vmlinux
    file.entry = 0xffff_ffff_8100_0010
    #expect(try kernelImage(file.bytes).entry == EntryState(.longMode, rip: 0x100_0010))
  }

  @Test(arguments: [
    ELFFile.note(name: "Xem", type: 18, descriptor: [0, 0, 0x10, 0]),
    ELFFile.note(name: "Xen", type: 17, descriptor: [0, 0, 0x10, 0]),
    ELFFile.note(name: "Xenon", type: 18, descriptor: [0, 0, 0x10, 0]),
    Array(ELFFile.pvhNote(0x100_0000).dropLast()),
    Array(ELFFile.pvhNote(0x100_0000).prefix(11)),
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 18, 0, 0, 0],
    [],
  ])
  func ignoresOtherAndBrokenNotes(_ note: [UInt8]) throws {
    var file = ELFFile.vmlinux
    file.segments.append(ELFFile.notes([note]))
    #expect(try kernelImage(file.bytes).entry == EntryState(.longMode, rip: 0x100_0008))
  }

  @Test func ordersSegmentsByAddress() throws {
    var file = ELFFile.vmlinux
    file.segments.swapAt(0, 1)
    #expect(try kernelImage(file.bytes).segments.map(\.address) == [0x100_0000, 0x120_0000])
  }

  @Test func ignoresEmptySegments() throws {
    var file = ELFFile.vmlinux
    file.segments.append(ELFFile.Segment(address: 0))
    #expect(try kernelImage(file.bytes).segments.count == 2)
  }

  @Test func rejectsEveryTruncation() throws {
    let file = ELFFile.microGuest.bytes
    for size in 4..<file.count {
      #expect(throws: BootError.kernelTruncated(size: size)) {
        try kernelImage(Array(file.prefix(size)))
      }
    }
  }

  @Test(arguments: [
    rejected(.kernel32Bit) { $0.bits = 1 },
    rejected(.kernel32Bit) {
      $0.bits = 1
      $0.machine = 3
    },
    rejected(.wrongArchitecture("big-endian")) { $0.byteOrder = 2 },
    rejected(.wrongArchitecture("arm64")) { $0.machine = 183 },
    rejected(.wrongArchitecture("riscv")) { $0.machine = 243 },
    rejected(.wrongArchitecture("ELF machine 21")) { $0.machine = 21 },
    rejected(.badELFHeader(field: "EI_CLASS")) { $0.bits = 7 },
    rejected(.notExecutable) { $0.type = 1 },
    rejected(.notExecutable) { $0.type = 4 },
    rejected(.badELFHeader(field: "e_phentsize")) { $0.programHeaderSize = 55 },
    rejected(.badELFHeader(field: "e_phnum")) { $0.programHeaderCount = 0xffff },
    rejected(.noSegments) { $0.programHeaderCount = 0 },
    rejected(.noSegments) { $0.segments.removeFirst() },
  ])
  func rejectsHeader(_ sample: Rejected) { sample.check() }

  @Test(arguments: [
    rejected(.segmentTooSmall(address: 0x10_0000)) { $0.segments[0].memorySize = 63 },
    rejected(.segmentTooSmall(address: 0x10_0000)) { $0.segments[0].memorySize = 0 },
    rejected(.kernelTooLow(address: 0xf_ffff)) { $0.segments[0].address = 0xf_ffff },
    rejected(.kernelTooHigh(address: 0xc000_0001)) { $0.segments[0].memorySize = 0xbff0_0001 },
    rejected(.kernelTooHigh(address: .max)) { $0.segments[0].memorySize = .max },
    rejected(.kernelTooHigh(address: .max)) { $0.segments[0].address = .max - 4 },
    rejected(.segmentsOverlap(address: 0x10_2fff)) {
      $0.segments.append(ELFFile.Segment(address: 0x10_2fff, content: [1]))
    },
    rejected(.segmentsOverlap(address: 0x10_0000)) { $0.segments.append($0.segments[0]) },
    rejected(.entryOutsideKernel(address: 0x10_0040)) {
      $0.segments[1] = ELFFile.notes([ELFFile.pvhNote(0x10_0040)])
    },
    rejected(.entryOutsideKernel(address: 0)) {
      $0.segments[1] = ELFFile.notes([ELFFile.pvhNote(0)])
    },
    rejected(.entryOutsideKernel(address: 0xdead)) { $0.segments.removeLast() },
    rejected(.badEntryNote(size: 2)) {
      $0.segments[1] = ELFFile.notes([
        ELFFile.note(name: "Xen", type: 18, descriptor: [0, 0])
      ])
    },
  ])
  func rejectsSegment(_ sample: Rejected) { sample.check() }

  @Test(arguments: [UInt64(1) << 20, UInt64.max, UInt64.max - 8])
  func rejectsContentOutsideTheFile(_ offset: UInt64) {
    for index in [0, 1] {
      var file = ELFFile.microGuest
      file.segments[index].claimedOffset = offset
      let bytes = file.bytes
      #expect(throws: BootError.kernelTruncated(size: bytes.count)) { try kernelImage(bytes) }
    }
    var file = ELFFile.microGuest
    file.programHeaderOffset = offset
    let bytes = file.bytes
    #expect(throws: BootError.kernelTruncated(size: bytes.count)) { try kernelImage(bytes) }
  }

  /// A micro guest with one thing wrong, and the error it must give.
  struct Rejected: Sendable, CustomTestStringConvertible {
    let file: [UInt8]
    let error: BootError
    var testDescription: String { "\(error)" }

    func check() {
      #expect(throws: error) { try kernelImage(file) }
    }
  }

  private static func rejected(
    _ error: BootError, _ spoil: (inout ELFFile) -> Void
  ) -> Rejected {
    var file = ELFFile.microGuest
    spoil(&file)
    return Rejected(file: file.bytes, error: error)
  }
}
