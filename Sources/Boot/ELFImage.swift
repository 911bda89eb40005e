/// An uncompressed kernel (vmlinux, or a bare-metal guest) in ELF64 format.
enum ELFImage {
  private static let magic: [UInt8] = [0x7f, 0x45, 0x4c, 0x46]
  private static let headerSize = 64
  private static let programHeaderSize = 56
  /// Kernels have four to six; the bound keeps the cost of a hostile file constant.
  private static let largestProgramHeaderCount = 128

  /// An `Elf64_Phdr`, as far as it is used.
  private struct ProgramHeader {
    let type: UInt32
    let offset: UInt64
    let virtualAddress: UInt64
    let physicalAddress: UInt64
    let fileSize: UInt64
    let memorySize: UInt64
    let alignment: UInt64

    init(_ table: [UInt8], at offset: Int) {
      type = table.little(at: offset)
      self.offset = table.little(at: offset + 8)
      virtualAddress = table.little(at: offset + 16)
      physicalAddress = table.little(at: offset + 24)
      fileSize = table.little(at: offset + 32)
      memorySize = table.little(at: offset + 40)
      alignment = table.little(at: offset + 48)
    }

    /// `physicalAddress` of an entry point that lies in the bytes loaded from the file.
    func translate(_ entry: UInt64) -> UInt64? {
      if entry >= physicalAddress, entry - physicalAddress < fileSize { return entry }
      guard entry >= virtualAddress, entry - virtualAddress < fileSize else { return nil }
      return physicalAddress &+ (entry - virtualAddress)
    }
  }

  private enum SegmentType {
    static let load: UInt32 = 1
    static let note: UInt32 = 4
  }

  static func recognizes(_ file: ImageBytes) -> Bool { file.starts(with: magic) }

  static func parse(_ file: ImageBytes) throws(BootError) -> KernelImage {
    let header = file.copy(0..<headerSize)
    guard header.count == headerSize else { throw .kernelTruncated(size: file.count) }
    try checkIdentity(header)
    let headers = try programHeaders(header, of: file)
    let loads = headers.filter {
      $0.type == SegmentType.load && ($0.memorySize > 0 || $0.fileSize > 0)
    }
    var segments: [KernelImage.Segment] = []
    for header in loads { segments.append(try segment(header, in: file)) }
    segments = try KernelImage.arranged(segments)

    if let entry = try pvhEntry(headers, of: file) {
      // The note is a physical address already.
      guard loads.contains(where: { $0.translate(entry) == entry }) else {
        throw .entryOutsideKernel(address: entry)
      }
      return KernelImage(segments: segments, entry: .pvh(address: entry))
    }
    let entry: UInt64 = header.little(at: 24)
    // Physical in Linux, virtual in kernels that keep the linker's default.
    guard let physical = loads.lazy.compactMap({ $0.translate(entry) }).first else {
      throw .entryOutsideKernel(address: entry)
    }
    return KernelImage(segments: segments, entry: .linux64(address: physical))
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
    let tableSize = Int(size) * Int(count)
    guard let range = file.range(offset: offset, size: UInt64(tableSize)) else {
      throw .kernelTruncated(size: file.count)
    }
    let table = file.copy(range)
    guard table.count == tableSize else { throw .kernelTruncated(size: file.count) }
    return stride(from: 0, to: tableSize, by: programHeaderSize).map {
      ProgramHeader(table, at: $0)
    }
  }

  private static func segment(
    _ header: ProgramHeader, in file: ImageBytes
  ) throws(BootError) -> KernelImage.Segment {
    guard header.fileSize <= header.memorySize else {
      throw .segmentTooSmall(address: header.physicalAddress)
    }
    guard let content = file.range(offset: header.offset, size: header.fileSize) else {
      throw .kernelTruncated(size: file.count)
    }
    return KernelImage.Segment(
      address: header.physicalAddress, file: content, memorySize: header.memorySize)
  }

  private static func pvhEntry(
    _ headers: [ProgramHeader], of file: ImageBytes
  ) throws(BootError) -> UInt64? {
    for header in headers where header.type == SegmentType.note {
      guard let notes = file.range(offset: header.offset, size: header.fileSize) else {
        throw .kernelTruncated(size: file.count)
      }
      if let entry = try pvhEntry(in: notes, alignment: header.alignment, of: file) {
        return entry
      }
    }
    return nil
  }

  /// The descriptor of the note "Xen", type 18 (XEN_ELFNOTE_PHYS32_ENTRY), if it is in `notes`.
  ///
  /// Notes that do not add up end the search: nothing depends on other notes.
  private static func pvhEntry(
    in notes: Range<Int>, alignment: UInt64, of file: ImageBytes
  ) throws(BootError) -> UInt64? {
    let unit: UInt64 = alignment == 8 ? 8 : 4
    var offset = UInt64(notes.lowerBound)
    let end = UInt64(notes.upperBound)
    while offset + 12 <= end {
      let start = Int(offset)
      guard let nameSize = file.read(UInt32.self, at: start),
        let size = file.read(UInt32.self, at: start + 4),
        let type = file.read(UInt32.self, at: start + 8)
      else { return nil }
      // No sum here can overflow: offsets are within a file, sizes within 32 bits. Padding counts
      // from the start of the note's segment, which is itself aligned in the file.
      let name = 12 + UInt64(nameSize)
      let descriptor = offset + (name.alignedUp(to: unit) ?? name)
      guard descriptor + UInt64(size) <= end else { return nil }
      if type == 18, nameSize == 4, file.starts(with: [0x58, 0x65, 0x6e, 0], at: start + 12) {
        return try entryAddress(at: Int(descriptor), size: size, of: file)
      }
      offset = descriptor + (UInt64(size).alignedUp(to: unit) ?? 0)
    }
    return nil
  }

  private static func entryAddress(
    at offset: Int, size: UInt32, of file: ImageBytes
  ) throws(BootError) -> UInt64? {
    switch size {
    case 4: file.read(UInt32.self, at: offset).map(UInt64.init)
    case 8: file.read(UInt64.self, at: offset)
    default: throw .badEntryNote(size: size)
    }
  }
}
