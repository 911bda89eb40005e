/// How the first processor enters the kernel; registers that are not named here are zero.
///
/// The interrupt descriptor table is empty: until the kernel loads its own, an exception ends in a
/// triple fault.
package struct EntryState: Equatable, Sendable {
  /// The processor's operating mode.
  package enum Mode: Sendable {
    /// 64-bit with paging, for the 64-bit entry of the Linux boot protocol
    /// (Documentation/arch/x86/boot.rst): EFER = LME | LMA, CR0 = PE | PG, CR4 = PAE.
    case longMode
    /// 32-bit without paging, for the entry of the PVH boot protocol (Xen's docs/misc/pvh.pandoc):
    /// CR0 = PE.
    case protected32
  }

  /// Determines all registers but `rip`.
  package let mode: Mode
  /// Guest physical address of the first instruction.
  package let rip: UInt64

  /// Enters at `rip`.
  package init(_ mode: Mode, rip: UInt64) {
    self.mode = mode
    self.rip = rip
  }

  /// `boot_params` in long mode.
  package var rsi: UInt64 { mode == .longMode ? AddressMap.zeroPage : 0 }
  /// `hvm_start_info` in protected mode.
  package var rbx: UInt64 { mode == .protected32 ? AddressMap.startInfo : 0 }
  /// A stack of a few bytes, for kernels that expect one.
  package var rsp: UInt64 { AddressMap.bootStack }
  /// Page tables; 0 without paging.
  package var cr3: UInt64 { mode == .longMode ? AddressMap.pageTables : 0 }
  /// Linear address of the global descriptor table.
  package var gdtBase: UInt64 { AddressMap.gdt }
  /// Its last byte's offset.
  package var gdtLimit: UInt16 { UInt16(descriptors.count * 8 - 1) }

  /// What the registers point to and the processor needs in memory, each with its address.
  package var tables: [(address: UInt64, bytes: [UInt8])] {
    let gdt = (address: gdtBase, bytes: descriptors.flatMap { [UInt8](little: $0) })
    return mode == .longMode ? [gdt, (AddressMap.pageTables, Self.pageTables)] : [gdt]
  }

  /// By selector: __BOOT_CS, flat 64-bit or 32-bit code, at 0x10; __BOOT_DS, flat data, at 0x18; at
  /// 0x20 the busy task state segment that a CPU in protected mode must have, which in long mode takes
  /// two places, the second zero (Linux boot protocol; Intel SDM volume 3, 3.4.5).
  private var descriptors: [UInt64] {
    [
      0, 0, mode == .longMode ? 0x00af_9b00_0000_ffff : 0x00cf_9b00_0000_ffff,
      0x00cf_9300_0000_ffff, 0x0000_8b00_0000_0067, 0,
    ]
  }

  /// Page tables that map the first 4 GiB to themselves (Intel SDM volume 3, 4.5): PML4, page
  /// directory pointers, one directory per GiB.
  private static let pageTables: [UInt8] = {
    let presentWritable: UInt64 = 0x3
    let largePage: UInt64 = 0x83
    let size: UInt64 = 4096
    let pointers = AddressMap.pageTables + size
    var bytes = [UInt8](little: pointers | presentWritable)
    bytes.pad(to: Int(size))
    for gibibyte in 1...4 as ClosedRange<UInt64> {
      bytes.append(little: (pointers + gibibyte * size) | presentWritable)
    }
    bytes.pad(to: 2 * Int(size))
    for index in 0..<UInt64(4 * 512) { bytes.append(little: index << 21 | largePage) }
    return bytes
  }()
}
