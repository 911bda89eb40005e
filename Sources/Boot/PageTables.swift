/// Page tables that map the first 4 GiB to themselves, for the 64-bit entry
/// (Intel SDM volume 3, 4.5).
enum PageTables {
  private static let presentWritable: UInt64 = 0x3
  private static let largePage: UInt64 = 0x83
  private static let tableSize: UInt64 = 4096
  private static let entriesPerTable = 512
  private static let gibibytes = 4

  /// For `AddressMap.pageTables`: PML4, page directory pointers, one directory per GiB.
  static let identity: [UInt8] = {
    let pointers = AddressMap.pageTables + tableSize
    let directories = pointers + tableSize
    var bytes: [UInt8] = []
    bytes.append(little: pointers | presentWritable)
    bytes.pad(to: Int(tableSize))
    for index in 0..<UInt64(gibibytes) {
      bytes.append(little: (directories + index * tableSize) | presentWritable)
    }
    bytes.pad(to: 2 * Int(tableSize))
    for index in 0..<UInt64(gibibytes * entriesPerTable) {
      bytes.append(little: index << 21 | largePage)
    }
    return bytes
  }()
}
