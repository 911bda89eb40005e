/// A compressed Linux kernel in the bzImage format, entered in 64-bit mode: its own code unpacks it.
///
/// Offsets are those of the setup header (Documentation/arch/x86/boot.rst, "The Real-Mode Kernel
/// Header").
enum BzImage {
  /// The 64-bit entry's distance from the load address.
  private static let entryOffset: UInt64 = 0x200

  static func recognizes(_ file: ImageBytes) -> Bool {
    file.read(UInt16.self, at: 0x1fe) == 0xaa55 && file.starts(with: Array("HdrS".utf8), at: 0x202)
  }

  static func parse(_ file: ImageBytes) throws(BootError) -> KernelImage {
    let header = try SetupHeader(file)
    try header.check()
    // The file ends with the protected-mode code, or with a signature, which is harmless.
    let start = (Int(header.setupSectors == 0 ? 4 : header.setupSectors) + 1) * 512
    let end = UInt64(start) + UInt64(header.paragraphs) * 16
    guard start < file.count, end <= UInt64(file.count),
      UInt64(file.count - start) > entryOffset
    else { throw .kernelTruncated(size: file.count) }
    let payload = start..<file.count
    let address = try header.loadAddress()
    let kernel = KernelImage.Segment(
      address: address, file: payload,
      memorySize: max(UInt64(header.initSize), UInt64(payload.count)))
    return KernelImage(
      segments: try KernelImage.arranged([kernel]),
      entry: EntryState(.longMode, rip: address &+ entryOffset),
      setupHeader: header.content,
      initrdLimit: UInt64(header.initrdAddressMax) + 1,
      commandLineLimit: header.commandLineLimit)
  }
}

/// A copy of a bzImage's setup header, and the fields that decide how it is loaded.
private struct SetupHeader {
  private let bytes: [UInt8]

  init(_ file: ImageBytes) throws(BootError) {
    bytes = file.copy(BootInformation.headerRange)
    guard bytes.count >= Self.leastEnd - BootInformation.headerRange.lowerBound else {
      throw .kernelTruncated(size: file.count)
    }
  }

  /// The end of the last field that is needed, `init_size`.
  private static let leastEnd = 0x264

  private func field<Value: FixedWidthInteger>(_ offset: Int) -> Value {
    bytes.little(at: offset - BootInformation.headerRange.lowerBound)
  }

  /// The header up to its end, which the jump over it at 0x200 tells.
  var content: [UInt8] { Array(bytes.prefix(end - BootInformation.headerRange.lowerBound)) }
  private var end: Int {
    let jump: UInt8 = field(0x201)
    return min(0x202 + Int(jump), BootInformation.headerRange.upperBound)
  }

  var setupSectors: UInt8 { field(0x1f1) }
  var paragraphs: UInt32 { field(0x1f4) }
  private var version: UInt16 { field(0x206) }
  private var loadFlags: UInt8 { field(0x211) }
  var initrdAddressMax: UInt32 { field(0x22c) }
  private var alignment: UInt32 { field(0x230) }
  private var isRelocatable: Bool { (field(0x234) as UInt8) != 0 }
  private var extendedLoadFlags: UInt16 { field(0x236) }
  private var commandLineSize: UInt32 { field(0x238) }
  private var preferredAddress: UInt64 { field(0x258) }
  var initSize: UInt32 { field(0x260) }

  func check() throws(BootError) {
    let loadedHigh: UInt8 = 1
    let has64BitEntry: UInt16 = 1
    // Protocol 2.12 brought `xloadflags` and with it the 64-bit entry.
    guard version >= 0x020c else { throw .bootProtocolTooOld(version: version) }
    guard extendedLoadFlags & has64BitEntry != 0 else { throw .kernel32Bit }
    guard loadFlags & loadedHigh != 0 else { throw .badSetupHeader(field: "loadflags") }
    guard end >= Self.leastEnd else { throw .badSetupHeader(field: "length") }
  }

  /// Where the unpacked kernel will run. The packed one is put there, too: loaded lower, it would move
  /// itself there.
  func loadAddress() throws(BootError) -> UInt64 {
    guard isRelocatable else { return preferredAddress }
    guard alignment.nonzeroBitCount == 1 else { throw .badSetupHeader(field: "kernel_alignment") }
    let wanted = max(preferredAddress, AddressMap.highMemory)
    guard let address = wanted.alignedUp(to: UInt64(alignment)) else {
      throw .kernelTooHigh(address: wanted)
    }
    return address
  }

  var commandLineLimit: Int {
    // Zero stands for the 255 bytes of the oldest protocols.
    let limit = commandLineSize == 0 ? 255 : Int(commandLineSize)
    return min(limit, AddressMap.commandLineCapacity - 1)
  }
}
