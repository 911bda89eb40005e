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

  /// The operating mode; `cr0`, `cr4` and `efer` follow from it.
  package let mode: Mode
  /// First instruction.
  package let rip: UInt64
  /// `boot_params` in long mode.
  package let rsi: UInt64
  /// `hvm_start_info` in protected mode.
  package let rbx: UInt64
  /// A stack of a few bytes, for kernels that count on one.
  package let rsp: UInt64 = AddressMap.bootStack
  /// Only the bit that is always set: interrupts off, direction up.
  package let rflags: UInt64 = 0x2
  /// Page tables; 0 without paging.
  package let cr3: UInt64
  /// Code segment.
  package let cs: SegmentValue
  /// For DS, ES, SS, FS and GS alike.
  package let ds: SegmentValue
  /// Task register.
  package let tr: SegmentValue
  /// Linear address of the global descriptor table.
  package let gdtBase: UInt64 = AddressMap.gdt
  /// Its last byte's offset.
  package let gdtLimit: UInt16

  /// CR0: protected mode, extension type (which no CPU lets go of), paging.
  package var cr0: UInt64 { mode == .longMode ? 0x8000_0011 : 0x11 }
  /// CR4: physical address extension.
  package var cr4: UInt64 { mode == .longMode ? 0x20 : 0 }
  /// EFER: long mode enabled and active.
  package var efer: UInt64 { mode == .longMode ? 0x500 : 0 }

  init(_ entry: KernelImage.Entry) {
    switch entry {
    case .linux64(let address):
      mode = .longMode
      rip = address
      rsi = AddressMap.zeroPage
      rbx = 0
      cr3 = AddressMap.pageTables
      cs = .code64
    case .pvh(let address):
      mode = .protected32
      rip = address
      rsi = 0
      rbx = AddressMap.startInfo
      cr3 = 0
      cs = .code32
    }
    ds = .flatData
    tr = .task
    gdtLimit = UInt16(Self.descriptors(cs: cs).count * 8 - 1)
  }

  /// The global descriptor table's bytes, for `gdtBase`.
  var gdt: [UInt8] {
    var bytes: [UInt8] = []
    for descriptor in Self.descriptors(cs: cs) { bytes.append(little: descriptor) }
    return bytes
  }

  /// By selector; in long mode the task's descriptor takes two places, the second zero.
  private static func descriptors(cs: SegmentValue) -> [UInt64] {
    [
      0, 0, cs.descriptor, SegmentValue.flatData.descriptor, SegmentValue.task.descriptor, 0,
    ]
  }
}
