import Host

/// Why a vCPU's thread ended.
package enum VCPUEnd: Equatable, Sendable, CustomStringConvertible {
  /// `VCPUThread.requestStop` was called.
  case stopped
  /// `hlt` on a machine without interrupt controllers.
  case halted
  /// Triple fault.
  case shutdown
  /// KVM could not go on.
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

extension VCPUEnd {
  /// The end an exit makes, or nil for one after which the guest goes on.
  init?(_ exit: VCPUExit) {
    switch exit {
    case .handled, .interrupted: return nil
    case .halted: self = .halted
    case .shutdown: self = .shutdown
    case .internalError(let report): self = .internalError(report)
    case .failEntry(let reason, let processor):
      self = .failEntry(reason: reason, processor: processor)
    case .systemEvent(let type): self = .systemEvent(type)
    case .unknown(let reason): self = .unknownExit(reason: reason)
    case .failed(let error): self = .hostError(error)
    }
  }
}
