/// An uncompressed kernel (vmlinux, or a bare-metal guest) in ELF64 format.
enum ELFImage {
  private static let magic: [UInt8] = [0x7f, 0x45, 0x4c, 0x46]
  private static let headerSize = 64
  private static let programHeaderSize = 56
  /// Kernels have four to six; the bound keeps the cost of a hostile file constant.
  private static let largestProgramHeaderCount = 128

  /// An `Elf64_Phdr`, as far as it is used.
  private struct ProgramHeader {
    let bytes: [UInt8]

    var isLoaded: Bool { type == 1 && (memorySize > 0 || fileSize > 0) }
    var isNote: Bool { type == 4 }
    private var type: UInt32 { bytes.little(at: 0) }
    var offset: UInt64 { bytes.little(at: 8) }
    private var virtualAddress: UInt64 { bytes.little(at: 16) }
    var physicalAddress: UInt64 { bytes.little(at: 24) }
    var fileSize: UInt64 { bytes.little(at: 32) }
    var memorySize: UInt64 { bytes.little(at: 40) }
    var alignment: UInt64 { bytes.little(at: 48) }

    /// The physical address of an entry point that lies in the bytes loaded from the file.
    func translate(_ entry: UInt64) -> UInt64? {
      if entry >= physicalAddress, entry - physicalAddress < fileSize { return entry }
      guard entry >= virtualAddress, entry - virtualAddress < fileSize else { return nil }
      return physicalAddress &+ (entry - virtualAddress)
    }
  }

  static func recognizes(_ file: ImageBytes) -> Bool { file.starts(with: magic) }

  static func parse(_ file: ImageBytes) throws(BootError) -> KernelImage {
    let header = file.copy(0..<headerSize)
    guard header.count == headerSize else { throw .kernelTruncated(size: file.count) }
    try checkIdentity(header)
    let headers = try programHeaders(header, of: file)
    let loads = headers.filter(\.isLoaded)
    var segments: [KernelImage.Segment] = []
    for header in loads {
      guard header.fileSize <= header.memorySize else {
        throw .segmentTooSmall(address: header.physicalAddress)
      }
      let content = try file.range(offset: header.offset, size: header.fileSize)
      segments.append(
        .init(address: header.physicalAddress, file: content, memorySize: header.memorySize))
    }
    segments = try KernelImage.arranged(segments)

    if let entry = try pvhEntry(headers, of: file) {
      // The note is a physical address already.
      guard loads.contains(where: { $0.translate(entry) == entry }) else {
        throw .entryOutsideKernel(address: entry)
      }
      return KernelImage(segments: segments, entry: EntryState(.protected32, rip: entry))
    }
    let entry: UInt64 = header.little(at: 24)
    // Physical in Linux, virtual in kernels that keep the linker's default.
    guard let physical = loads.lazy.compactMap({ $0.translate(entry) }).first else {
      throw .entryOutsideKernel(address: entry)
    }
    return KernelImage(segments: segments, entry: EntryState(.longMode, rip: physical))
  }

  private static func checkIdentity(_ header: [UInt8]) throws(BootError) {
    guard header[5] == 1 else { throw .wrongArchitecture("big-endian") }
    let type: UInt16 = header.little(at: 16)
    let machine: UInt16 = header.little(at: 18)
    switch (machine, header[4]) {
    case (62, 2): break
    case (62, 1), (3, 1): throw .kernel32Bit
    case (183, _): throw .wrongArchitecture("arm64")
    case (243, _): throw .wrongArchitecture("riscv")
    case (62, _): throw .badELFHeader(field: "EI_CLASS")
    default: throw .wrongArchitecture("ELF machine \(machine)")
    }
    guard type == 2 || type == 3 else { throw .notExecutable }
  }

  private static func programHeaders(
    _ header: [UInt8], of file: ImageBytes
  ) throws(BootError) -> [ProgramHeader] {
    let offset: UInt64 = header.little(at: 32)
    let size: UInt16 = header.little(at: 54)
    let count: UInt16 = header.little(at: 56)
    guard count > 0 else { throw .noSegments }
    guard size == programHeaderSize else { throw .badELFHeader(field: "e_phentsize") }
    guard count <= largestProgramHeaderCount else { throw .badELFHeader(field: "e_phnum") }
    let range = try file.range(offset: offset, size: UInt64(size) * UInt64(count))
    let table = file.copy(range)
    guard table.count == range.count else { throw .kernelTruncated(size: file.count) }
    return stride(from: 0, to: table.count, by: programHeaderSize).map {
      ProgramHeader(bytes: Array(table[$0..<$0 + programHeaderSize]))
    }
  }

  /// The address in the note "Xen", type 18 (XEN_ELFNOTE_PHYS32_ENTRY), if there is one.
  private static func pvhEntry(
    _ headers: [ProgramHeader], of file: ImageBytes
  ) throws(BootError) -> UInt64? {
    for header in headers where header.isNote {
      let notes = try file.range(offset: header.offset, size: header.fileSize)
      guard let note = note(in: notes, alignment: header.alignment, of: file) else { continue }
      guard note.size == 4 || note.size == 8 else { throw .badEntryNote(size: note.size) }
      let bytes = file.copy(note.start..<note.start + Int(note.size))
      if !bytes.isEmpty { return bytes.little(at: 0) }
    }
    return nil
  }

  /// Where that note's descriptor lies. Notes that do not add up end the search: nothing depends on
  /// other notes.
  private static func note(
    in notes: Range<Int>, alignment: UInt64, of file: ImageBytes
  ) -> (start: Int, size: UInt32)? {
    let unit: UInt64 = alignment == 8 ? 8 : 4
    var offset = UInt64(notes.lowerBound)
    let end = UInt64(notes.upperBound)
    while offset + 12 <= end {
      let note = file.copy(Int(offset)..<Int(min(offset + 16, end)))
      guard note.count >= 12 else { return nil }
      let nameSize: UInt32 = note.little(at: 0)
      let size: UInt32 = note.little(at: 4)
      // No sum here can overflow: offsets are within a file, sizes within 32 bits. Padding counts
      // from the start of the note's segment, which is itself aligned in the file.
      let name = 12 + UInt64(nameSize)
      let descriptor = offset + (name.alignedUp(to: unit) ?? name)
      guard descriptor + UInt64(size) <= end else { return nil }
      let type: UInt32 = note.little(at: 8)
      if type == 18, nameSize == 4, note.dropFirst(12).starts(with: "Xen".utf8) {
        return (Int(descriptor), size)
      }
      offset = descriptor + (UInt64(size).alignedUp(to: unit) ?? 0)
    }
    return nil
  }
}
