import Boot
import Testing

/// The tables as a kernel finds them: from the root, checksums checked on the way.
struct ACPIWalk {
  let memory: GuestImage
  /// By signature; the DSDT as the FADT points to it.
  private(set) var tables: [String: [UInt8]] = [:]

  init(_ plan: BootPlan, kernel: [UInt8], rsdp: UInt64 = 0xe_0000) throws {
    memory = GuestImage(plan, kernel: kernel)
    let root = memory.bytes(at: rsdp, count: 36)
    #expect(String(decoding: root[..<8], as: UTF8.self) == "RSD PTR ")
    #expect(root[..<20].reduce(0, &+) == 0)
    #expect(root.reduce(0, &+) == 0)
    #expect(root[15] == 2)
    #expect(root.integer(UInt32.self, at: 20) == 36)
    let xsdt = try read(root.integer(UInt64.self, at: 24))
    tables["XSDT"] = xsdt
    for offset in stride(from: 36, to: xsdt.count, by: 8) {
      let table = try read(xsdt.integer(UInt64.self, at: offset))
      tables[String(decoding: table[..<4], as: UTF8.self)] = table
    }
    if let fadt = tables["FACP"] {
      tables["DSDT"] = try read(fadt.integer(UInt64.self, at: 140))
    }
  }

  subscript(signature: String) -> [UInt8] {
    get throws { try #require(tables[signature], "no \(signature)") }
  }

  private func read(_ address: UInt64) throws -> [UInt8] {
    let size = Int(memory.integer(UInt32.self, at: address + 4))
    try #require(size >= 36)
    let table = memory.bytes(at: address, count: size)
    #expect(table.reduce(0, &+) == 0, "checksum of the table at \(address)")
    #expect(address >= AddressMap.acpiTables.lowerBound)
    #expect(address + UInt64(size) <= AddressMap.acpiTables.upperBound)
    return table
  }
}
