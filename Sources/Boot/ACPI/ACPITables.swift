/// All ACPI tables, as one piece of memory for `AddressMap.acpiTables`.
enum ACPITables {
  /// Describes the machine asked for, with at most the CPUs and virtio-mmio devices it can have.
  static func encode(_ request: BootRequest) -> [UInt8] {
    // The RSDP comes first, but knows the XSDT's address only at the end.
    var bytes = FixedTables.rsdp(xsdt: 0)
    // Appends a table and returns its address. The FACS must be aligned to 64 bytes; the others may.
    func place(_ table: [UInt8]) -> UInt64 {
      bytes.pad(to: (bytes.count + 63) & ~63)
      defer { bytes += table }
      return AddressMap.acpiTables.lowerBound + UInt64(bytes.count)
    }
    let facs = place(FixedTables.facs())
    let dsdt = place(DSDT.encode(request))
    let tables = [
      place(FixedTables.fadt(facs: facs, dsdt: dsdt)),
      place(FixedTables.madt(cpuCount: request.cpuCount)),
      place(FixedTables.mcfg()),
    ]
    let root = FixedTables.rsdp(xsdt: place(FixedTables.xsdt(tables)))
    bytes.replaceSubrange(..<root.count, with: root)
    return bytes
  }
}

/// Builds one ACPI table: header first, length and checksum last (ACPI 6.5, 5.2.6).
struct TableWriter {
  /// Who made the tables.
  static let oem = "SWFTVM"
  static let tableID = "SWIFTVM "

  private var bytes: [UInt8]

  /// - Parameters:
  ///   - signature: four characters.
  ///   - revision: the table's own.
  init(_ signature: String, revision: UInt8) {
    bytes = Array(signature.utf8) + [0, 0, 0, 0, revision, 0]
    bytes += Array((Self.oem + Self.tableID).utf8) + [1, 0, 0, 0]
    bytes += Array("SWVM".utf8) + [1, 0, 0, 0]
  }

  /// Appends integers, after zeros up to the offset of the first.
  mutating func append(at offset: Int = 0, _ values: any FixedWidthInteger...) {
    bytes.pad(to: offset)
    for value in values { bytes.append(little: value) }
  }

  mutating func append(bytes more: some Sequence<UInt8>) { bytes += more }

  /// A generic address structure for a port (ACPI 6.5, 5.2.3.2); `accessSize` is 1 for bytes,
  /// 2 for words.
  mutating func append(at offset: Int = 0, port: Range<UInt64>, accessSize: UInt8) {
    append(
      at: offset, UInt8(1), UInt8(truncatingIfNeeded: port.size * 8), UInt8(0), accessSize,
      port.lowerBound)
  }

  /// The finished table.
  consuming func finish() -> [UInt8] {
    bytes.store(UInt32(truncatingIfNeeded: bytes.count), at: 4)
    bytes[9] = bytes.checksum
    return bytes
  }
}
