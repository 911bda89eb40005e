import Boot
import Testing

@Suite struct SMBIOSTests {
  /// A structure: its type, its fields behind the header, its strings.
  private struct Structure: Equatable {
    let type: UInt8
    let fields: [UInt8]
    let strings: [String]
  }

  private func structures(_ strings: [String]) throws -> [Structure] {
    let kernel = ELFFile.microGuest.bytes
    var request = BootRequest(
      memorySize: 64 * mebibyte, cpuCount: 1, commandLine: "", initrdSize: nil, pci64Window: 0..<0)
    request.version = "1.2.3"
    request.oemStrings = strings
    let plan = try BootPlan(kernel: ImageBytes(kernel), request: request)
    let memory = GuestImage(plan, kernel: kernel)
    let entry = memory.bytes(at: 0xf_0000, count: 24)
    #expect(Array(entry[..<5]) == Array("_SM3_".utf8))
    #expect(entry.reduce(0, &+) == 0)
    #expect(Array(entry[6..<12]) == [24, 3, 0, 0, 1, 0])
    let size = Int(entry.integer(UInt32.self, at: 12))
    let address = entry.integer(UInt64.self, at: 16)
    #expect(address + UInt64(size) <= AddressMap.smbios.upperBound)
    return try read(memory.bytes(at: address, count: size))
  }

  private func read(_ table: [UInt8]) throws -> [Structure] {
    var structures: [Structure] = []
    var offset = 0
    while offset < table.count {
      let length = Int(table[offset + 1])
      try #require(length >= 4 && offset + length + 2 <= table.count)
      let fields = Array(table[(offset + 4)..<(offset + length)])
      let type = table[offset]
      offset += length
      var strings: [String] = []
      if table[offset] == 0 { offset += 1 }
      while table[offset] != 0 {
        let text = table[offset...].prefix { $0 != 0 }
        strings.append(String(decoding: text, as: UTF8.self))
        offset += text.count + 1
      }
      offset += 1
      structures.append(Structure(type: type, fields: fields, strings: strings))
    }
    return structures
  }

  @Test func namesTheMachine() throws {
    let structures = try structures([])
    #expect(structures.map(\.type) == [0, 1, 127])
    #expect(structures[0].strings == ["swiftvm", "1.2.3", "01/01/2026"])
    #expect(structures[0].fields.count == 20)
    #expect(structures[0].fields[15] & 1 << 4 != 0, "a virtual machine's")
    #expect(structures[1].strings == ["swiftvm", "virtual machine", "1.2.3"])
    #expect(structures[1].fields.count == 23)
    #expect(Array(structures[1].fields[..<4]) == [1, 2, 3, 0])
  }

  @Test func hasTheUsersStrings() throws {
    let strings = ["io.systemd.credential:a=b,c", "é", String(repeating: "x", count: 40_000)]
    let structures = try structures(strings)
    #expect(structures.map(\.type) == [0, 1, 11, 127])
    #expect(structures[2] == Structure(type: 11, fields: [3], strings: strings))
  }

  @Test func asMuchAsIsAllowedFits() throws {
    let count = SMBIOS.largestStringCount
    let length = SMBIOS.largestStringSize / count - 1
    let strings = (0..<count).map { _ in String(repeating: "x", count: length) }
    #expect(try structures(strings)[2].strings == strings)
  }
}
