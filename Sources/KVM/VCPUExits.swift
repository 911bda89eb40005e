import Host

/// Why a vCPU's thread ended.
package enum VCPUEnd: Equatable, Sendable, CustomStringConvertible {
  /// `VCPUThread.requestStop` was called.
  case stopped
  /// `hlt` on a machine without interrupt controllers.
  case halted
  /// Triple fault.
  case shutdown
  /// KVM could not go on, mostly because of an instruction that it cannot emulate.
  case internalError(InternalErrorReport)
  /// The processor refused the guest's state.
  case failEntry(reason: UInt64, processor: UInt32)
  /// The guest asked the hypervisor to end or restart the machine; KVM_SYSTEM_EVENT_*.
  case systemEvent(UInt32)
  /// An exit this program does not know; KVM_EXIT_*.
  case unknownExit(reason: UInt32)
  /// A system call failed.
  case hostError(SystemError)

  /// For the user, without a trailing full stop.
  package var description: String {
    switch self {
    case .stopped: "stopped"
    case .halted: "the processor halted with nothing to wake it"
    case .shutdown: "triple fault"
    case .internalError(let report): report.description
    case .failEntry(let reason, let processor):
      "processor \(processor) refused the guest's state, hardware reason 0x"
        + String(reason, radix: 16)
    case .systemEvent(let type): "system event \(type)"
    case .unknownExit(let reason): "KVM exit of unknown reason \(reason)"
    case .hostError(let error): error.description
    }
  }
}

/// What KVM reports when it cannot go on with a processor (KVM_EXIT_INTERNAL_ERROR).
package struct InternalErrorReport: Equatable, Sendable, CustomStringConvertible {
  /// KVM_INTERNAL_ERROR_*: 1 is an instruction that could not be emulated.
  package let suberror: UInt32
  /// The guest's instruction pointer.
  package let instructionPointer: UInt64
  /// The bytes there, as many as could be read, up to 15.
  package let instruction: [UInt8]

  /// The instruction that shows a KVM that interprets kernel code and so cannot run Linux, or nil.
  ///
  /// With hardware virtualization none of these ever needs emulation in memory.
  package var interpreterLimit: String? {
    suberror == 1 ? Self.unsupportedInstruction(instruction) : nil
  }

  /// One line, two where the cause is known.
  package var description: String {
    let address = "0x" + String(instructionPointer, radix: 16)
    let bytes =
      instruction.isEmpty
      ? "unreadable"
      : instruction.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    let report =
      "KVM internal error \(suberror) (\(reason)) at rip \(address), instruction bytes: \(bytes)"
    guard let name = interpreterLimit else { return report }
    return """
      this /dev/kvm cannot run this kernel: it interprets kernel code and does not know \(name) \
      (\"swiftvm check\" tells more)
      \(report)
      """
  }

  private var reason: String {
    switch suberror {
    case 1: "instruction emulation failed"
    case 2: "simultaneous exceptions"
    case 3: "exit while delivering an event"
    case 4: "unexpected exit reason"
    default: "unknown reason"
    }
  }

  /// Names the instruction if it is one an interpreting KVM is known to lack.
  private static func unsupportedInstruction(_ bytes: [UInt8]) -> String? {
    let legacyPrefixes: Set<UInt8> = [
      0xf0, 0xf2, 0xf3, 0x66, 0x67, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65,
    ]
    var rest = bytes.drop { legacyPrefixes.contains($0) }
    var isWide = false
    if let byte = rest.first, byte & 0xf0 == 0x40 {
      isWide = byte & 8 != 0
      rest = rest.dropFirst()
    }
    let opcode = Array(rest.prefix(3))
    if opcode.first == 0xcc { return "int3" }
    guard opcode.count == 3, opcode[0] == 0x0f, opcode[2] & 0xc0 != 0xc0 else { return nil }
    switch (opcode[1], opcode[2] >> 3 & 7, isWide) {
    case (0xc7, 1, true): return "cmpxchg16b"
    case (0xc7, 3, _): return "xrstors"
    case (0xc7, 4, _): return "xsavec"
    case (0xc7, 5, _): return "xsaves"
    case (0xae, 4, _): return "xsave"
    case (0xae, 5, _): return "xrstor"
    case (0xae, 6, _): return "xsaveopt"
    default: return nil
    }
  }
}
