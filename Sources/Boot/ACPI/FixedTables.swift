/// The ACPI tables without code of their own (ACPI 6.5, 5.2), except the FADT.
enum FixedTables {
  /// Root system description pointer, revision 2.
  static func rsdp(xsdt: UInt64) -> [UInt8] {
    var bytes = Array("RSD PTR ".utf8)
    bytes.append(0)
    bytes.append(contentsOf: TableWriter.Identity.oem.utf8)
    bytes.append(2)
    bytes.append(little: UInt32(0))  // no RSDT
    bytes.append(little: UInt32(36))
    bytes.append(little: xsdt)
    bytes.pad(to: 36)
    bytes[8] = TableWriter.checksum(bytes[..<20])
    bytes[32] = TableWriter.checksum(bytes[...])
    return bytes
  }

  /// Extended system description table: where the others are.
  static func xsdt(_ tables: [UInt64]) -> [UInt8] {
    var table = TableWriter(signature: "XSDT", revision: 1)
    for address in tables { table.append(address) }
    return table.finish()
  }

  /// Firmware control structure, version 2; it has no checksum.
  static func facs() -> [UInt8] {
    var bytes = Array("FACS".utf8)
    bytes.append(little: UInt32(64))
    bytes.pad(to: 32)
    bytes.append(2)
    bytes.pad(to: 64)
    return bytes
  }

  /// Memory-mapped PCI configuration space (PCI Firmware 3.3, 4.1.2).
  static func mcfg() -> [UInt8] {
    var table = TableWriter(signature: "MCFG", revision: 1)
    table.append(UInt64(0))
    table.append(AddressMap.ecam.lowerBound)
    table.append(UInt16(0))  // segment group
    table.append(UInt8(0))  // first bus
    table.append(UInt8(0))  // last bus
    table.append(UInt32(0))
    return table.finish()
  }
}
