import CKVM

/// The CPUID leaves of one vCPU.
///
/// At first it holds what KVM supports on this host. `fit(processor:of:tscDeadline:)` makes it the view
/// of one processor among several: one socket, one thread per core, APIC ids counting from 0.
package struct CPUIDTable: Sendable {
  /// The answer to one leaf and subleaf.
  package struct Leaf: Equatable, Sendable {
    /// The registers.
    package var eax: UInt32 = 0, ebx: UInt32 = 0, ecx: UInt32 = 0, edx: UInt32 = 0
  }

  private(set) var entries: [kvm_cpuid_entry2] = []

  /// The leaf as the guest would see it, or nil when the table has none (the guest sees zeros).
  package func leaf(_ function: UInt32, subleaf: UInt32 = 0) -> Leaf? {
    index(function, subleaf).map { entries[$0].leaf }
  }

  /// Replaces a leaf, or adds it.
  mutating func set(_ function: UInt32, subleaf: UInt32? = nil, to leaf: Leaf) {
    var entry = kvm_cpuid_entry2()
    entry.function = function
    entry.index = subleaf ?? 0
    entry.flags = subleaf == nil ? 0 : UInt32(KVM_CPUID_FLAG_SIGNIFCANT_INDEX)
    entry.leaf = leaf
    if let index = index(function, subleaf ?? 0) {
      entries[index] = entry
    } else {
      entries.append(entry)
    }
  }

  /// Fits the table to the vCPU with APIC id `processor` of a machine with `count` vCPUs.
  ///
  /// - Parameter tscDeadline: whether KVM's local APIC has the TSC-deadline timer;
  ///   KVM_GET_SUPPORTED_CPUID leaves it out.
  mutating func fit(processor: Int, of count: Int, tscDeadline: Bool) {
    let processor = UInt32(truncatingIfNeeded: processor)
    let count = UInt32(truncatingIfNeeded: max(1, count))
    fitFeatures(processor: processor, count: count, tscDeadline: tscDeadline)
    fitExtendedTopology(processor: processor, count: count)
    fitCaches(count: count)
    if isAMD { fitAMD(processor: processor, count: count) }
  }

  /// Leaf 1 and the masking of nested virtualization, which swiftvm does not offer.
  private mutating func fitFeatures(processor: UInt32, count: UInt32, tscDeadline: Bool) {
    update(1) { leaf in
      // APIC id, logical processors, CLFLUSH line in units of 8 bytes.
      leaf.ebx = (processor & 0xff) << 24 | min(count, 255) << 16 | 8 << 8 | leaf.ebx & 0xff
      leaf.ecx.setBit(31, true)  // runs under a hypervisor
      leaf.ecx.setBit(24, tscDeadline)
      leaf.ecx.setBit(15, false)  // PDCM: perf capability MSR
      leaf.ecx.setBit(5, false)  // VMX
      leaf.ecx.setBit(3, false)  // MONITOR: would leave the processor spinning in the guest
      leaf.edx.setBit(28, count > 1)  // HTT: more than one logical processor
    }
    update(0x8000_0001) { $0.ecx.setBit(2, false) }  // SVM
    update(0x8000_000a) { $0 = Leaf() }
  }

  /// Leaf 0xB, and 0x1F where the host has it: one thread per core, `count` cores.
  ///
  /// 0x80000026 is removed: with it Linux would see the host's dies and complexes.
  private mutating func fitExtendedTopology(processor: UInt32, count: UInt32) {
    let hadDies = leaf(0x1f) != nil
    entries.removeAll { [0xb, 0x1f, 0x8000_0026].contains($0.function) }
    guard let maximum = leaf(0)?.eax, maximum >= 0xb else { return }
    for function: UInt32 in hadDies ? [0xb, 0x1f] : [0xb] {
      let threads = Leaf(eax: 0, ebx: 1, ecx: 1 << 8, edx: processor)
      let cores = Leaf(eax: Self.idWidth(count), ebx: count, ecx: 2 << 8 | 1, edx: processor)
      set(function, subleaf: 0, to: threads)
      set(function, subleaf: 1, to: cores)
      set(function, subleaf: 2, to: Leaf(ecx: 2, edx: processor))
    }
  }

  /// Leaf 4 (Intel) and 0x8000001D (AMD): L1 and L2 belong to one core, higher levels to all.
  private mutating func fitCaches(count: UInt32) {
    let sharers = (UInt32(1) << Self.idWidth(count)) &- 1
    for index in entries.indices {
      let function = entries[index].function
      guard function == 4 || function == 0x8000_001d, entries[index].eax & 0x1f != 0 else {
        continue
      }
      let level = entries[index].eax >> 5 & 7
      var eax = entries[index].eax & 0x0000_3fff
      eax |= (level >= 3 ? min(sharers, 0xfff) : 0) << 14
      if function == 4 { eax |= min(sharers, 0x3f) << 26 }
      entries[index].eax = eax
    }
  }

  /// AMD's older leaves for the number of cores.
  private mutating func fitAMD(processor: UInt32, count: UInt32) {
    update(0x8000_0001) { $0.ecx.setBit(1, count > 1) }  // CmpLegacy
    update(0x8000_0008) { leaf in
      leaf.ecx = leaf.ecx & 0xffff_0f00 | Self.idWidth(count) << 12 | min(count &- 1, 255)
    }
    if leaf(0x8000_001e) != nil {
      set(0x8000_001e, to: Leaf(eax: processor, ebx: processor & 0xff, ecx: 0))
    }
  }

  private var isAMD: Bool {
    // "Auth…" and "Hygo…": the first four letters of the vendor.
    [0x6874_7541, 0x6f67_7948].contains(leaf(0)?.ebx)
  }

  /// How many bits number `count` processors.
  private static func idWidth(_ count: UInt32) -> UInt32 {
    UInt32(32 - (count &- 1).leadingZeroBitCount)
  }

  private mutating func update(_ function: UInt32, _ change: (inout Leaf) -> Void) {
    if let index = index(function, 0) { change(&entries[index].leaf) }
  }

  private func index(_ function: UInt32, _ subleaf: UInt32) -> Int? {
    entries.firstIndex { entry in
      entry.function == function
        && (entry.flags & UInt32(KVM_CPUID_FLAG_SIGNIFCANT_INDEX) == 0 || entry.index == subleaf)
    }
  }
}

extension kvm_cpuid_entry2 {
  fileprivate var leaf: CPUIDTable.Leaf {
    get { .init(eax: eax, ebx: ebx, ecx: ecx, edx: edx) }
    set { (eax, ebx, ecx, edx) = (newValue.eax, newValue.ebx, newValue.ecx, newValue.edx) }
  }
}

extension UInt32 {
  fileprivate mutating func setBit(_ bit: Int, _ on: Bool) {
    self = on ? self | 1 << bit : self & ~(1 << bit)
  }
}
