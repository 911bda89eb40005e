/// The registers with which the first CPU enters the kernel; all others are zero.
///
/// The interrupt descriptor table is empty: until the kernel has its own, an exception ends in a
/// triple fault instead of in stray code.
package struct EntryState: Equatable, Sendable {
  /// What the CPU is when it starts.
  package enum Mode: Sendable {
    /// 64-bit with paging: EFER = LME | LMA, CR0 = PE | PG, CR4 = PAE.
    case longMode
    /// 32-bit without paging: CR0 = PE.
    case protected32
  }

  /// The operating mode; the control registers and the segments follow from it.
  package let mode: Mode
  /// First instruction.
  package let rip: UInt64
  /// `boot_params` in long mode.
  package let rsi: UInt64
  /// `hvm_start_info` in protected mode.
  package let rbx: UInt64
  /// A stack of a few bytes, for kernels that count on one.
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
  var gdt: [UInt8] {
    var bytes: [UInt8] = []
    for descriptor in Self.descriptors(mode) { bytes.append(little: descriptor) }
    return bytes
  }

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
