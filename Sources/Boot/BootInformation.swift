/// What both boot protocols tell the kernel, and the two forms of it.
struct BootInformation {
  /// Where a bzImage's setup header lies in `boot_params`, up to the next field.
  static let headerRange = 0x1f1..<0x290

  let memoryMap: MemoryMap
  /// Bytes of the command line at `AddressMap.commandLine`, its NUL not counted.
  let commandLineSize: Int
  /// Where the initrd lies, if there is one.
  let initrd: Range<UInt64>?

  /// The form for a kernel that is entered in this mode, each part with its address.
  ///
  /// - Parameter setupHeader: a bzImage's.
  func encode(
    for mode: EntryState.Mode, setupHeader: [UInt8]?
  ) -> [(address: UInt64, bytes: [UInt8])] {
    switch mode {
    case .longMode: [(AddressMap.zeroPage, zeroPage(setupHeader))]
    case .protected32: startInfo
    }
  }

  /// `hvm_start_info` of the PVH boot protocol, version 1, its memory map and its module list (Xen's
  /// xen/include/public/arch-x86/hvm/start_info.h).
  private var startInfo: [(address: UInt64, bytes: [UInt8])] {
    let magic: UInt32 = 0x336e_c578  // "xEn3" with the top bit of "E" set
    let version: UInt32 = 1
    let info = [UInt8](
      little: magic, version, UInt32(0), UInt32(initrd == nil ? 0 : 1),
      initrd == nil ? 0 : AddressMap.moduleList, AddressMap.commandLine,
      AddressMap.acpiTables.lowerBound, AddressMap.memoryMapTable,
      UInt32(truncatingIfNeeded: memoryMap.entries.count), UInt32(0))
    var parts = [
      (address: AddressMap.startInfo, bytes: info),
      (address: AddressMap.memoryMapTable, bytes: memoryMap.pvhTable),
    ]
    if let initrd {
      // Without a command line of its own.
      let module = [UInt8](little: initrd.lowerBound, initrd.size, UInt64(0), UInt64(0))
      parts.append((address: AddressMap.moduleList, bytes: module))
    }
    return parts
  }

  /// `boot_params` of the Linux boot protocol (Documentation/arch/x86/zero-page.rst). A vmlinux has no
  /// setup header and gets the least one.
  private func zeroPage(_ setupHeader: [UInt8]?) -> [UInt8] {
    var page = [UInt8](repeating: 0, count: 4096)
    func low(_ value: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: value) }
    if let setupHeader {
      let header = setupHeader.prefix(Self.headerRange.count)
      page.replaceSubrange(Self.headerRange.prefix(header.count), with: header)
    } else {
      page.store(UInt16(0xaa55), at: 0x1fe)  // boot_flag
      page.store(UInt32(0x5372_6448), at: 0x202)  // header: "HdrS"
      page.store(UInt16(0x020c), at: 0x206)  // version
      page.store(UInt32(0x7fff_ffff), at: 0x22c)  // initrd_addr_max
      page.store(UInt32(0x100_0000), at: 0x230)  // kernel_alignment
      page.store(UInt32(commandLineSize), at: 0x238)  // cmdline_size
    }
    page.store(UInt8(0xff), at: 0x210)  // type_of_loader: one without an assigned number
    page.store(low(AddressMap.commandLine), at: 0x228)  // cmd_line_ptr
    page.store(UInt64(0), at: 0x250)  // setup_data
    page.store(AddressMap.acpiTables.lowerBound, at: 0x070)  // acpi_rsdp_addr

    let initrd = initrd ?? 0..<0
    page.store(low(initrd.lowerBound), at: 0x218)  // ramdisk_image
    page.store(low(initrd.size), at: 0x21c)  // ramdisk_size
    page.store(low(initrd.lowerBound >> 32), at: 0x0c0)  // ext_ramdisk_image
    page.store(low(initrd.size >> 32), at: 0x0c4)  // ext_ramdisk_size

    let table = memoryMap.e820Table
    page.store(UInt8(truncatingIfNeeded: memoryMap.entries.count), at: 0x1e8)
    page.replaceSubrange(0x2d0..<(0x2d0 + table.count), with: table)
    return page
  }
}
