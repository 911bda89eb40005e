/// All ACPI tables, as one piece of memory that starts with the RSDP.
package struct ACPITables: Sendable {
  /// Guest physical address of `bytes`.
  package let address: UInt64 = AddressMap.acpiTables.lowerBound
  /// Guest physical address of the root, the one thing a kernel has to know.
  package var rsdp: UInt64 { address }
  /// The tables; they fit in `AddressMap.acpiTables`.
  package let bytes: [UInt8]

  /// Describes the machine asked for: of its CPUs and its virtio-mmio devices as many as there may be.
  package init(_ request: BootRequest) {
    // The root is at the start but knows the XSDT's address only at the end.
    var area = Area(FixedTables.rsdp(xsdt: 0))
    let facs = area.place(FixedTables.facs())
    let dsdt = area.place(DSDT.encode(request))
    let tables = [
      area.place(FADT.encode(facs: facs, dsdt: dsdt)),
      area.place(MADT.encode(cpuCount: request.cpuCount)),
      area.place(FixedTables.mcfg()),
    ]
    let xsdt = area.place(FixedTables.xsdt(tables))
    bytes = area.finish(root: FixedTables.rsdp(xsdt: xsdt))
  }

  /// Tables side by side.
  private struct Area {
    private var bytes: [UInt8]

    init(_ root: [UInt8]) { bytes = root }

    /// Appends a table and tells its address. The FACS must be aligned to 64 bytes; for the others
    /// it does no harm.
    mutating func place(_ table: [UInt8]) -> UInt64 {
      bytes.pad(to: (bytes.count + 63) & ~63)
      let address = AddressMap.acpiTables.lowerBound + UInt64(bytes.count)
      bytes += table
      return address
    }

    consuming func finish(root: [UInt8]) -> [UInt8] {
      bytes.replaceSubrange(..<root.count, with: root)
      return bytes
    }
  }
}
