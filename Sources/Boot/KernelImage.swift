/// What a kernel file asks for: which of its bytes go where, and how it is entered.
///
/// Parsing reads and copies only headers of bounded size, so its cost in memory does not depend on
/// what the file claims.
package struct KernelImage: Equatable, Sendable {
  /// One piece of memory the kernel occupies.
  package struct Segment: Equatable, Sendable {
    /// Guest physical address of its first byte.
    package let address: UInt64
    /// The part of the file that is loaded there.
    package let file: Range<Int>
    /// Bytes occupied from `address` on, at least `file.count`; the rest reads as zero.
    package let memorySize: UInt64

    /// The memory occupied.
    package var memory: Range<UInt64> { address..<(address &+ memorySize) }
  }

  /// By ascending address, without overlaps, all between 1 MiB and 3 GiB; never empty.
  package let segments: [Segment]
  /// How it is entered.
  package let entry: EntryState
  /// A bzImage's setup header, for `BootInformation.headerRange`.
  package private(set) var setupHeader: [UInt8]?
  /// The initrd must end at or below this address.
  package private(set) var initrdLimit = AddressMap.hole.lowerBound
  /// The longest command line in bytes, without its NUL.
  package private(set) var commandLineLimit = 2047

  /// Memory from the first to the last byte the kernel needs before it has read its memory map.
  package var footprint: Range<UInt64> {
    let end = segments.last?.memory.upperBound ?? AddressMap.highMemory
    return (segments.first?.address ?? AddressMap.highMemory)..<end
  }
}

extension KernelImage {
  /// Recognises the file and reads its headers.
  ///
  /// - Throws: what is wrong with the file, before anything is allocated for it.
  package init(parsing file: ImageBytes) throws(BootError) {
    guard file.count > 0 else { throw .kernelEmpty }
    if ELFImage.recognizes(file) {
      self = try ELFImage.parse(file)
    } else if BzImage.recognizes(file) {
      self = try BzImage.parse(file)
    } else {
      throw Self.diagnosis(of: file)
    }
  }

  /// The segments by ascending address, checked to lie where a kernel may be.
  static func arranged(_ segments: [Segment]) throws(BootError) -> [Segment] {
    guard !segments.isEmpty else { throw .noSegments }
    let sorted = segments.sorted { $0.address < $1.address }
    var end = AddressMap.highMemory
    for segment in sorted {
      guard segment.address >= AddressMap.highMemory else {
        throw .kernelTooLow(address: segment.address)
      }
      guard segment.address >= end else { throw .segmentsOverlap(address: segment.address) }
      let (segmentEnd, overflow) = segment.address.addingReportingOverflow(segment.memorySize)
      guard !overflow, segmentEnd <= AddressMap.hole.lowerBound else {
        throw .kernelTooHigh(address: overflow ? .max : segmentEnd)
      }
      end = segmentEnd
    }
    return sorted
  }

  /// The most helpful error for a file that is neither ELF nor bzImage.
  private static func diagnosis(of file: ImageBytes) -> BootError {
    let compressions: [(magic: [UInt8], name: String)] = [
      ([0x1f, 0x8b], "gzip"),
      ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], "xz"),
      ([0x28, 0xb5, 0x2f, 0xfd], "zstd"),
      ([0x42, 0x5a, 0x68], "bzip2"),
      ([0x02, 0x21, 0x4c, 0x18], "lz4"),
      ([0x04, 0x22, 0x4d, 0x18], "lz4"),
      ([0x5d, 0x00, 0x00], "lzma"),
      ([0x89, 0x4c, 0x5a, 0x4f], "lzo"),
    ]
    if let found = compressions.first(where: { file.starts(with: $0.magic) }) {
      return .kernelCompressed(format: found.name)
    }
    // Documentation/arch/arm64/booting.rst: "ARM\x64" at offset 56.
    if file.starts(with: [0x41, 0x52, 0x4d, 0x64], at: 56) { return .wrongArchitecture("arm64") }
    guard let sections = sections(ofPE: file) else { return .notAKernel }
    // UAPI.5 Unified Kernel Image.
    let parts = ["linux", "initrd", "cmdline"].filter { sections.contains("." + $0) }
    return parts.first == "linux" ? .unifiedKernelImage(sections: parts) : .efiProgram
  }

  /// The names of a PE file's sections; nil for another file.
  private static func sections(ofPE file: ImageBytes) -> [String]? {
    guard file.starts(with: Array("MZ".utf8)), let start = file.read(UInt32.self, at: 0x3c),
      file.starts(with: Array("PE\0\0".utf8), at: Int(start)),
      let count = file.read(UInt16.self, at: Int(start) + 6),
      let headerSize = file.read(UInt16.self, at: Int(start) + 20)
    else { return nil }
    let table = Int(start) + 24 + Int(headerSize)
    // Images have a dozen; the bound keeps the cost of a hostile file constant.
    return (0..<min(Int(count), 96)).map { index in
      let name = file.copy((table + 40 * index)..<(table + 40 * index + 8))
      return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}

/// A kernel file's bytes, read with every access checked. Offsets are at most those that 33 bits hold,
/// or lie in the file.
///
/// Each access reads anew: another program may write to the file at the same time, so only a copy
/// can be judged.
package struct ImageBytes {
  let count: Int
  private let fetch: (_ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) -> Bool

  /// - Parameters:
  ///   - count: the file's size in bytes.
  ///   - fetch: fills a buffer with the bytes from an offset on, all of them in the file; returns
  ///     whether it could.
  package init(
    count: Int, fetch: @escaping (_ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) -> Bool
  ) {
    self.count = count
    self.fetch = fetch
  }

  /// The little-endian integer at `offset`.
  func read<Value: FixedWidthInteger>(_: Value.Type, at offset: Int) -> Value? {
    let size = MemoryLayout<Value>.size
    let bytes = copy(offset..<offset + size)
    return bytes.count == size ? bytes.little(at: 0) : nil
  }

  /// The part of the file that a header describes by an offset and a size.
  func range(offset: UInt64, size: UInt64) throws(BootError) -> Range<Int> {
    let (end, overflow) = offset.addingReportingOverflow(size)
    guard !overflow, end <= UInt64(count) else { throw .kernelTruncated(size: count) }
    return Int(offset)..<Int(end)
  }

  /// A copy of the bytes in `range`, as far as the file has them; empty if it cannot be read.
  func copy(_ range: Range<Int>) -> [UInt8] {
    let range = range.clamped(to: 0..<count)
    var bytes = [UInt8](repeating: 0, count: range.count)
    return bytes.withUnsafeMutableBytes { fetch(range.lowerBound, $0) } ? bytes : []
  }

  func starts(with prefix: [UInt8], at offset: Int = 0) -> Bool {
    copy(offset..<offset + prefix.count) == prefix
  }
}
