import Boot
import CKVM
import Glibc
import Host

/// The state of a processor before it runs (Linux boot protocol, 64-bit boot protocol; PVH boot ABI).
extension VCPU {
  /// Gives a fresh vCPU its CPUID, model-specific registers, FPU and local APIC, in this order: the
  /// registers that exist depend on CPUID.
  func setUp(cpuid: CPUIDTable, hasLocalAPIC: Bool) throws(SystemError) {
    try setCPUID(cpuid)
    try setModelSpecificRegisters()
    try setFPU()
    if hasLocalAPIC { try setLocalInterrupts() }
  }

  /// Puts the processor at the kernel's entry.
  package func setInitialState(_ entry: EntryState) throws(SystemError) {
    var registers = kvm_regs()
    registers.rip = entry.rip
    registers.rsi = entry.rsi
    registers.rbx = entry.rbx
    registers.rsp = entry.rsp
    registers.rflags = 2
    try checked("KVM_SET_REGS", ckvm_set_regs(rawValue, &registers))

    // Read first: the APIC's base and later additions of KVM must survive.
    var special = kvm_sregs()
    try checked("KVM_GET_SREGS", ckvm_get_sregs(rawValue, &special))
    special.set(entry)
    try checked("KVM_SET_SREGS", ckvm_set_sregs(rawValue, &special))
  }

  private func setCPUID(_ cpuid: CPUIDTable) throws(SystemError) {
    let entries = cpuid.entries
    let table = TrailingArray<kvm_cpuid2, kvm_cpuid_entry2>(capacity: entries.count)
    table.header.pointee.nent = UInt32(entries.count)
    for (index, entry) in entries.enumerated() { table.elements[index] = entry }
    try checked("KVM_SET_CPUID2", ckvm_set_cpuid2(rawValue, table.header))
  }

  private func setModelSpecificRegisters() throws(SystemError) {
    let values: [(index: UInt32, data: UInt64)] = [
      (0x174, 0), (0x175, 0), (0x176, 0),  // SYSENTER
      (0xc000_0081, 0), (0xc000_0082, 0), (0xc000_0083, 0), (0xc000_0084, 0),  // SYSCALL
      (0xc000_0102, 0),  // KERNEL_GS_BASE
      (0x1a0, 1),  // MISC_ENABLE: fast string operations
      (0x2ff, 0x806),  // MTRRdefType: enabled, write-back
    ]
    let table = TrailingArray<kvm_msrs, kvm_msr_entry>(capacity: values.count)
    table.header.pointee.nmsrs = UInt32(values.count)
    for (index, value) in values.enumerated() {
      table.elements[index].index = value.index
      table.elements[index].data = value.data
    }
    let count = Int(try checked("KVM_SET_MSRS", ckvm_set_msrs(rawValue, table.header)))
    guard count >= values.count else {
      // The kernel stops at the first one it refuses.
      let refused = String(values[max(0, count)].index, radix: 16)
      throw SystemError("KVM_SET_MSRS: register 0x\(refused)", errno: EINVAL)
    }
  }

  private func setFPU() throws(SystemError) {
    var fpu = kvm_fpu()
    fpu.fcw = 0x37f
    fpu.mxcsr = 0x1f80
    try checked("KVM_SET_FPU", ckvm_set_fpu(rawValue, &fpu))
  }

  /// LINT0 takes the 8259's interrupts, LINT1 is NMI (MultiProcessor Specification 1.4, 3.6.1).
  private func setLocalInterrupts() throws(SystemError) {
    var apic = kvm_lapic_state()
    try checked("KVM_GET_LAPIC", ckvm_get_lapic(rawValue, &apic))
    withUnsafeMutableBytes(of: &apic.regs) { registers in
      for (offset, mode) in [(0x350, UInt32(7)), (0x360, UInt32(4))] {
        let value = registers.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        registers.storeBytes(of: value & ~0x700 | mode << 8, toByteOffset: offset, as: UInt32.self)
      }
    }
    try checked("KVM_SET_LAPIC", ckvm_set_lapic(rawValue, &apic))
  }
}

extension kvm_sregs {
  fileprivate mutating func set(_ entry: EntryState) {
    let isLong = entry.mode == .longMode
    // Flags as in a descriptor's bits 40–55, without the limit between.
    cs = kvm_segment(selector: 0x10, flags: isLong ? 0xa09b : 0xc09b)
    let data = kvm_segment(selector: 0x18, flags: 0xc093)
    (ds, es, fs, gs, ss) = (data, data, data, data, data)
    tr = kvm_segment(selector: 0x20, flags: 0x008b)
    tr.limit = 0x67
    ldt = kvm_segment()
    ldt.unusable = 1
    gdt.base = entry.gdtBase
    gdt.limit = entry.gdtLimit
    idt.base = 0
    idt.limit = 0
    cr0 = isLong ? 0x8000_0011 : 0x11  // PE, ET; PG
    cr3 = entry.cr3
    cr4 = isLong ? 0x20 : 0  // PAE
    efer = isLong ? 0x500 : 0  // LME, LMA
  }
}

extension kvm_segment {
  /// A flat segment; `flags` are a descriptor's bits 40–47 and 52–55, in bits 0–7 and 12–15.
  fileprivate init(selector: UInt16, flags: UInt16) {
    func bit(_ position: Int) -> UInt8 { UInt8(truncatingIfNeeded: flags >> position & 1) }
    self.init()
    base = 0
    limit = 0xffff_ffff
    self.selector = selector
    type = UInt8(truncatingIfNeeded: flags & 0xf)
    s = bit(4)
    dpl = 0
    present = bit(7)
    avl = bit(12)
    l = bit(13)
    db = bit(14)
    g = bit(15)
    unusable = 0
  }
}
