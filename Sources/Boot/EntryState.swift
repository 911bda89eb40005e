/// The registers with which the first CPU enters the kernel; all others are zero.
///
/// The interrupt descriptor table is empty: until the kernel loads its own, an exception ends in a
/// triple fault.
package struct EntryState: Equatable, Sendable {
  /// The CPU's operating mode when it starts.
  package enum Mode: Sendable {
    /// 64-bit with paging: EFER = LME | LMA, CR0 = PE | PG, CR4 = PAE.
    case longMode
    /// 32-bit without paging: CR0 = PE.
    case protected32
  }

  /// Determines the control registers and the segments, too.
  package let mode: Mode
  /// First instruction.
  package let rip: UInt64
  /// `boot_params` in long mode.
  package let rsi: UInt64
  /// `hvm_start_info` in protected mode.
  package let rbx: UInt64
  /// A stack of a few bytes, for kernels that expect one.
  package let rsp: UInt64 = AddressMap.bootStack
  /// Page tables; 0 without paging.
  package let cr3: UInt64
  /// Linear address of the global descriptor table.
  package let gdtBase: UInt64 = AddressMap.gdt
  /// Its last byte's offset.
  package let gdtLimit: UInt16

  init(_ entry: KernelImage.Entry) {
    switch entry {
    case .linux64(let address):
      mode = .longMode
      rip = address
      rsi = AddressMap.zeroPage
      rbx = 0
      cr3 = AddressMap.pageTables
    case .pvh(let address):
      mode = .protected32
      rip = address
      rsi = 0
      rbx = AddressMap.startInfo
      cr3 = 0
    }
    gdtLimit = UInt16(Self.descriptors(mode).count * 8 - 1)
  }

  /// The global descriptor table's bytes, for `gdtBase`.
  var gdt: [UInt8] { Self.descriptors(mode).flatMap { [UInt8](little: $0) } }

  /// By selector: __BOOT_CS, flat 64-bit or 32-bit code, at 0x10; __BOOT_DS, flat data, at 0x18; at
  /// 0x20 the busy task state segment that a CPU in protected mode must have, which in long mode takes
  /// two places, the second zero (Linux boot protocol; Intel SDM volume 3, 3.4.5).
  private static func descriptors(_ mode: Mode) -> [UInt64] {
    [
      0, 0, mode == .longMode ? 0x00af_9b00_0000_ffff : 0x00cf_9b00_0000_ffff,
      0x00cf_9300_0000_ffff, 0x0000_8b00_0000_0067, 0,
    ]
  }
}

/// Page tables that map the first 4 GiB to themselves, for the 64-bit entry
/// (Intel SDM volume 3, 4.5).
enum PageTables {
  /// For `AddressMap.pageTables`: PML4, page directory pointers, one directory per GiB.
  static let identity: [UInt8] = {
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
