import Host

/// Why a vCPU came back from the guest.
package enum VCPUExit: Equatable, Sendable {
  /// A port or memory-mapped access, already answered by the handler.
  case handled
  /// `hlt` without an interrupt controller to wake the processor.
  case halted
  /// Triple fault.
  case shutdown
  /// KVM could not go on, mostly because it met an instruction it cannot emulate.
  case internalError(InternalErrorReport)
  /// The processor refused the guest's state.
  case failEntry(reason: UInt64, processor: UInt32)
  /// The guest asked the hypervisor to end or restart the machine; KVM_SYSTEM_EVENT_*.
  case systemEvent(UInt32)
  /// A signal or a request to leave; any access pending before is finished.
  case interrupted
  /// A reason this program does not know; KVM_EXIT_*.
  case unknown(reason: UInt32)
  /// KVM_RUN itself failed.
  case failed(SystemError)
}
