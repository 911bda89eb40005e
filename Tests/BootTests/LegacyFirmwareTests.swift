import Boot
import Testing

/// What kernels find that do not use ACPI.
@Suite struct LegacyFirmwareTests {
  private static let kernel = ELFFile.microGuest.bytes

  private func memory(cpus: Int = 1) throws -> GuestImage {
    GuestImage(try bootPlan(Self.kernel, cpus: cpus), kernel: Self.kernel)
  }

  @Test("At the BIOS' entry is code that writes the reset value to the reset register")
  func biosEntry() throws {
    // mov $0xcf9, %dx; mov $6, %al; out %al, %dx; hlt; jmp to the hlt
    #expect(
      try memory().bytes(at: 0xf_fff0, count: 9)
        == [0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4, 0xeb, 0xfd])
  }

  @Test("The MP table is found by its pointer, and both are whole", arguments: [1, 2, 254, 255])
  func mpTableIsFound(cpus: Int) throws {
    let memory = try memory(cpus: cpus)
    // Linux looks at each 16 bytes from here to 1 MiB.
    let places = stride(from: UInt64(0xf_0000), to: 0x10_0000, by: 16)
    let found = places.filter { memory.bytes(at: $0, count: 4) == Array("_MP_".utf8) }
    #expect(found.count == 1)
    let pointer = memory.bytes(at: try #require(found.first), count: 16)
    #expect(pointer.reduce(0, &+) == 0)
    #expect(Array(pointer[8..<10]) == [1, 4])
    #expect(Array(pointer[11..<16]) == [0, 0, 0, 0, 0], "a table follows, virtual wire mode")
    let address = UInt64(pointer.integer(UInt32.self, at: 4))
    let size = Int(memory.integer(UInt16.self, at: address + 4))
    let table = memory.bytes(at: address, count: size)
    #expect(Array(table[..<4]) == Array("PCMP".utf8))
    #expect(table.reduce(0, &+) == 0)
    #expect(table.integer(UInt32.self, at: 36) == 0xfee0_0000)
    #expect(address + UInt64(size) <= AddressMap.biosEntry.lowerBound)
    #expect(try entries(cpus: cpus).count == Int(table.integer(UInt16.self, at: 34)))
  }

  @Test(arguments: [1, 2, 254])
  func everyProcessorIsThere(cpus: Int) throws {
    let processors = try entries(cpus: cpus).filter { $0[0] == 0 }
    #expect(processors.map { Int($0[1]) } == Array(0..<cpus))
    #expect(processors.map { $0[3] } == [3] + Array(repeating: 1, count: cpus - 1))
  }

  @Test("Interrupts are wired as in the ACPI tables")
  func wiring() throws {
    let entries = try entries(cpus: 1)
    #expect(
      entries.filter { $0[0] == 1 }
        == [[1, 0] + Array("PCI   ".utf8), [1, 1] + Array("ISA   ".utf8)])
    #expect(entries.filter { $0[0] == 2 } == [[2, 0, 0x11, 1, 0, 0, 0xc0, 0xfe]])
    let isa = entries.filter { $0[0] == 3 && $0[4] == 1 }
    // The timer at pin 2, ACPI's interrupt level-triggered and active high; PCI's are not ISA's.
    let numbers: [UInt8] = [0, 1, 3, 4, 6, 7, 8, 9, 12, 13, 14, 15]
    #expect(
      isa == numbers.map { [3, 0, $0 == 9 ? 0xd : 0, 0, 1, $0, 0, $0 == 0 ? 2 : $0] })
    let pci = entries.filter { $0[0] == 3 && $0[4] == 0 }
    #expect(pci.count == 128)
    for (index, entry) in pci.enumerated() {
      let line = AddressMap.pciInterrupt(device: UInt32(index / 4), pin: UInt32(index % 4))
      #expect(entry == [3, 0, 0, 0, 0, UInt8(index), 0, UInt8(line)])
    }
    #expect(
      entries.filter { $0[0] == 4 } == [[4, 3, 0, 0, 1, 0, 0, 0], [4, 1, 0, 0, 1, 0, 0xff, 1]])
  }

  @Test("The 8259s' level-triggered inputs are PCI's and ACPI's")
  func levels() { #expect(Set(AddressMap.levelInterrupts) == [5, 9, 10, 11]) }

  /// The entries behind the header of 44 bytes; their lengths add up to the table's.
  private func entries(cpus: Int) throws -> [[UInt8]] {
    let memory = try memory(cpus: cpus)
    let start = AddressMap.mpTable.lowerBound + 16
    let size = Int(memory.integer(UInt16.self, at: start + 4))
    let table = memory.bytes(at: start, count: size)
    var entries: [[UInt8]] = []
    var offset = 44
    while offset < size {
      let length = table[offset] == 0 ? 20 : 8
      try #require(offset + length <= size)
      entries.append(Array(table[offset..<(offset + length)]))
      offset += length
    }
    return entries
  }
}
