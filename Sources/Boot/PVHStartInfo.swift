/// `hvm_start_info` of the PVH boot protocol, version 1
/// (Xen's xen/include/public/arch-x86/hvm/start_info.h).
enum PVHStartInfo {
  /// Identifies the structure: "xEn3" with the top bit of "E" set.
  private static let magic: UInt32 = 0x336e_c578

  /// The structure, its module list and its memory map, each with its address.
  static func encode(_ information: BootInformation) -> [(address: UInt64, bytes: [UInt8])] {
    var info: [UInt8] = []
    info.append(little: magic)
    info.append(little: UInt32(1))  // version
    info.append(little: UInt32(0))  // flags
    info.append(little: UInt32(information.initrd == nil ? 0 : 1))
    info.append(little: information.initrd == nil ? 0 : AddressMap.moduleList)
    info.append(little: AddressMap.commandLine)
    info.append(little: information.rsdp)
    info.append(little: AddressMap.memoryMapTable)
    info.append(little: UInt32(truncatingIfNeeded: information.memoryMap.entries.count))
    info.append(little: UInt32(0))

    var parts = [
      (address: AddressMap.startInfo, bytes: info),
      (address: AddressMap.memoryMapTable, bytes: information.memoryMap.pvhTable),
    ]
    if let initrd = information.initrd {
      var module: [UInt8] = []
      module.append(little: initrd.lowerBound)
      module.append(little: initrd.upperBound - initrd.lowerBound)
      module.append(little: UInt64(0))  // command line
      module.append(little: UInt64(0))
      parts.append((address: AddressMap.moduleList, bytes: module))
    }
    return parts
  }
}
