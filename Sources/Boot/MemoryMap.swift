/// What the guest is told about its physical memory, whichever way it boots.
package struct MemoryMap: Sendable {
  /// The kinds of memory; e820 and PVH use the same numbers.
  package enum Kind: UInt32, Sendable {
    /// Usable.
    case ram = 1
    /// Not to be used, nor to be given to devices.
    case reserved = 2
  }

  /// By ascending address, without overlaps.
  package let entries: [(range: Range<UInt64>, kind: Kind)]

  /// The map of a machine with `memorySize` bytes, at least 1 MiB.
  package init(memorySize: UInt64) {
    let firmware = AddressMap.conventionalMemoryEnd..<AddressMap.highMemory
    var entries: [(range: Range<UInt64>, kind: Kind)] = [
      (0..<firmware.lowerBound, .ram), (firmware, .reserved),
      // Linux uses the ECAM only where a map entry reserves it.
      (AddressMap.ecamReserved, .reserved), (AddressMap.kvmReserved, .reserved),
    ]
    for range in Self.ram(size: memorySize) where range.upperBound > firmware.upperBound {
      let usable = max(range.lowerBound, firmware.upperBound)..<range.upperBound
      entries.append((usable, .ram))
    }
    self.entries = entries.sorted { $0.range.lowerBound < $1.range.lowerBound }
  }

  /// Where `size` bytes of RAM lie: below the hole, and the rest above it.
  ///
  /// - Parameter size: at most `AddressMap.largestMemory`.
  package static func ram(size: UInt64) -> [Range<UInt64>] {
    let size = min(size, AddressMap.largestMemory)
    let hole = AddressMap.hole
    guard size > 0 else { return [] }
    guard size > hole.lowerBound else { return [0..<size] }
    return [0..<hole.lowerBound, hole.upperBound..<(hole.upperBound + (size - hole.lowerBound))]
  }

  /// `boot_e820_entry` array of the zero page, 20 bytes each.
  var e820Table: [UInt8] {
    entries.flatMap { [UInt8](little: $0.range.lowerBound, $0.range.size, $0.kind.rawValue) }
  }

  /// `hvm_memmap_table_entry` array of the PVH protocol, 24 bytes each.
  var pvhTable: [UInt8] {
    entries.flatMap {
      [UInt8](little: $0.range.lowerBound, $0.range.size, $0.kind.rawValue, UInt32(0))
    }
  }
}
