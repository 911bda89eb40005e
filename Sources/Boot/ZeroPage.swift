/// `boot_params` of the Linux boot protocol (Documentation/arch/x86/zero-page.rst).
enum ZeroPage {
  /// Room for the setup header, from offset 0x1f1 to the next field at 0x290.
  static let headerRoom = 0x290 - Field.header

  private static let size = 4096

  private enum Field {
    static let acpiRSDP = 0x070
    static let extendedInitrdAddress = 0x0c0
    static let extendedInitrdSize = 0x0c4
    static let e820Count = 0x1e8
    static let header = 0x1f1
    static let bootFlag = 0x1fe
    static let headerMagic = 0x202
    static let version = 0x206
    static let loaderType = 0x210
    static let initrdAddress = 0x218
    static let initrdSize = 0x21c
    static let commandLine = 0x228
    static let initrdAddressMax = 0x22c
    static let kernelAlignment = 0x230
    static let commandLineSize = 0x238
    static let setupData = 0x250
    static let e820Table = 0x2d0
  }

  /// The page's bytes.
  ///
  /// - Parameter setupHeader: a bzImage's, from 0x1f1 on, at most `headerRoom` bytes; a vmlinux
  ///   has none and gets the least one.
  static func encode(_ information: BootInformation, setupHeader: [UInt8]?) -> [UInt8] {
    var page = [UInt8](repeating: 0, count: size)
    if let setupHeader {
      let header = setupHeader.prefix(headerRoom)
      page.replaceSubrange(Field.header..<(Field.header + header.count), with: header)
    } else {
      page.store(UInt16(0xaa55), at: Field.bootFlag)
      page.store(UInt32(0x5372_6448), at: Field.headerMagic)
      page.store(UInt16(0x020c), at: Field.version)
      page.store(UInt32(0x7fff_ffff), at: Field.initrdAddressMax)
      page.store(UInt32(0x100_0000), at: Field.kernelAlignment)
      page.store(UInt32(information.commandLineSize), at: Field.commandLineSize)
    }
    // 0xff: a loader without an assigned number.
    page.store(UInt8(0xff), at: Field.loaderType)
    page.store(UInt32(truncatingIfNeeded: AddressMap.commandLine), at: Field.commandLine)
    page.store(UInt64(0), at: Field.setupData)
    page.store(information.rsdp, at: Field.acpiRSDP)

    let initrd = information.initrd ?? 0..<0
    let initrdSize = initrd.upperBound - initrd.lowerBound
    page.store(UInt32(truncatingIfNeeded: initrd.lowerBound), at: Field.initrdAddress)
    page.store(UInt32(truncatingIfNeeded: initrdSize), at: Field.initrdSize)
    page.store(
      UInt32(truncatingIfNeeded: initrd.lowerBound >> 32), at: Field.extendedInitrdAddress)
    page.store(UInt32(truncatingIfNeeded: initrdSize >> 32), at: Field.extendedInitrdSize)

    let table = information.memoryMap.e820Table
    page.store(
      UInt8(truncatingIfNeeded: information.memoryMap.entries.count), at: Field.e820Count)
    page.replaceSubrange(Field.e820Table..<(Field.e820Table + table.count), with: table)
    return page
  }
}
