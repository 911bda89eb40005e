/// A compressed Linux kernel in the bzImage format, entered in 64-bit mode: its own code unpacks it.
///
/// Offsets are those of the setup header (Documentation/arch/x86/boot.rst, "The Real-Mode Kernel
/// Header").
enum BzImage {
  private static let headerStart = 0x1f1
  /// The 64-bit entry's distance from the load address.
  private static let entryOffset: UInt64 = 0x200

  static func recognizes(_ file: ImageBytes) -> Bool {
    file.read(UInt16.self, at: 0x1fe) == 0xaa55 && file.starts(with: Array("HdrS".utf8), at: 0x202)
  }

  static func parse(_ file: ImageBytes) throws(BootError) -> KernelImage {
    let header = try SetupHeader(file)
    try header.check()
    // The file ends with the protected-mode code, or with a signature that does no harm.
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
      entry: .linux64(address: address &+ entryOffset),
      setupHeader: file.copy(headerStart..<header.end),
      initrdLimit: UInt64(header.initrdAddressMax) + 1,
      commandLineLimit: header.commandLineLimit)
  }
}

/// The fields of a bzImage's setup header that decide how it is loaded.
private struct SetupHeader {
  let setupSectors: UInt8
  let paragraphs: UInt32
  let end: Int
  let version: UInt16
  let loadFlags: UInt8
  let initrdAddressMax: UInt32
  let alignment: UInt32
  let relocatable: UInt8
  let extendedLoadFlags: UInt16
  let commandLineSize: UInt32
  let preferredAddress: UInt64
  let initSize: UInt32

  init(_ file: ImageBytes) throws(BootError) {
    guard let setupSectors = file.read(UInt8.self, at: 0x1f1),
      let paragraphs = file.read(UInt32.self, at: 0x1f4),
      let jump = file.read(UInt8.self, at: 0x201),
      let version = file.read(UInt16.self, at: 0x206),
      let loadFlags = file.read(UInt8.self, at: 0x211),
      let initrdAddressMax = file.read(UInt32.self, at: 0x22c),
      let alignment = file.read(UInt32.self, at: 0x230),
      let relocatable = file.read(UInt8.self, at: 0x234),
      let extendedLoadFlags = file.read(UInt16.self, at: 0x236),
      let commandLineSize = file.read(UInt32.self, at: 0x238),
      let preferredAddress = file.read(UInt64.self, at: 0x258),
      let initSize = file.read(UInt32.self, at: 0x260)
    else { throw .kernelTruncated(size: file.count) }
    self.setupSectors = setupSectors
    self.paragraphs = paragraphs
    // The jump at 0x200 leaps over the header, and so tells its end.
    self.end = min(0x202 + Int(jump), 0x1f1 + ZeroPage.headerRoom)
    self.version = version
    self.loadFlags = loadFlags
    self.initrdAddressMax = initrdAddressMax
    self.alignment = alignment
    self.relocatable = relocatable
    self.extendedLoadFlags = extendedLoadFlags
    self.commandLineSize = commandLineSize
    self.preferredAddress = preferredAddress
    self.initSize = initSize
  }

  func check() throws(BootError) {
    let loadedHigh: UInt8 = 1
    let has64BitEntry: UInt16 = 1
    // Protocol 2.12 brought `xloadflags` and with it the 64-bit entry.
    guard version >= 0x020c else { throw .bootProtocolTooOld(version: version) }
    guard extendedLoadFlags & has64BitEntry != 0 else { throw .kernel32Bit }
    guard loadFlags & loadedHigh != 0 else { throw .badSetupHeader(field: "loadflags") }
    guard end >= 0x264 else { throw .badSetupHeader(field: "length") }
  }

  /// Where the unpacked kernel will run, which is also where the packed one is put: loaded lower,
  /// it would move itself there, so nothing less saves memory.
  func loadAddress() throws(BootError) -> UInt64 {
    guard relocatable != 0 else { return preferredAddress }
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
