/// The state in which the first processor enters the kernel.
package struct BootRegisters: Equatable, Sendable {
  /// How the processor runs at entry.
  package enum Mode: Equatable, Sendable {
    /// 64-bit code with paging on; the page tables at `cr3` map the entry identically.
    case long64
    /// 32-bit protected mode without paging, as PVH asks for.
    case protected32
  }

  package var mode: Mode
  /// Instruction pointer.
  package var rip: UInt64
  /// The Linux boot protocol's `boot_params` address.
  package var rsi: UInt64 = 0
  /// PVH's `hvm_start_info` address.
  package var rbx: UInt64 = 0
  package var rsp: UInt64 = 0
  /// Guest-physical address of the top page table; not used by `.protected32`.
  package var cr3: UInt64 = 0
  /// Where the table of segment descriptors lies: code at selector 0x10, data at 0x18, task at 0x20.
  package var gdtBase: UInt64 = 0
  /// Its size in bytes less one.
  package var gdtLimit: UInt16 = 0

  package init(mode: Mode, rip: UInt64) {
    self.mode = mode
    self.rip = rip
  }
}
