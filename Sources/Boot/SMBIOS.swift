/// The machine's name, which Linux prints with every oops, and strings of the user's (DMTF DSP0134,
/// SMBIOS 3.6).
package enum SMBIOS {
  /// The most strings of the user's: one structure counts them in a byte.
  package static let largestStringCount = 255
  /// The most bytes of these together, each with one more for its end.
  package static let largestStringSize = 0xc000

  /// The 64-bit entry point and the table, for `AddressMap.smbios`.
  ///
  /// - Parameters:
  ///   - version: of the program, given as the firmware's.
  ///   - strings: OEM strings (type 11), none of them empty, within the limits above.
  static func encode(version: String, strings: [String]) -> [UInt8] {
    var table = structure(type: 0, firmware, ["swiftvm", version, "01/01/2026"])
    table += structure(type: 1, system, ["swiftvm", "virtual machine", version])
    if !strings.isEmpty {
      table += structure(type: 11, [UInt8(truncatingIfNeeded: strings.count)], strings)
    }
    table += structure(type: 127, [], [])

    let size: UInt8 = 24
    var entry = Array("_SM3_".utf8) + [0, size, 3, 0, 0, 1, 0]
    entry.append(little: UInt32(truncatingIfNeeded: table.count))
    entry.append(little: AddressMap.smbios.lowerBound + UInt64(size))
    entry[5] = entry.checksum
    return entry + table
  }

  /// Vendor, version, release date are strings 1 to 3 (7.1). Its abilities are not told; it is a
  /// virtual machine's, without version numbers of firmware and controller.
  private static let firmware: [UInt8] =
    [1, 2, 0, 0xf0, 3, 0] + [UInt8](little: UInt64(1 << 3)) + [0, 1 << 4, 0xff, 0xff, 0xff, 0xff]

  /// Manufacturer, product and version are strings 1 to 3; no serial number, no UUID; started by the
  /// power switch; no SKU, no family (7.2).
  private static let system: [UInt8] =
    [1, 2, 3, 0] + [UInt8](repeating: 0, count: 16) + [6, 0, 0]

  /// The handle of each structure is its type: there is one of each.
  private static func structure(type: UInt8, _ fields: [UInt8], _ strings: [String]) -> [UInt8] {
    var bytes = [type, UInt8(truncatingIfNeeded: 4 + fields.count), type, 0] + fields
    for string in strings { bytes += Array(string.utf8) + [0] }
    return bytes + (strings.isEmpty ? [0, 0] : [0])
  }
}
