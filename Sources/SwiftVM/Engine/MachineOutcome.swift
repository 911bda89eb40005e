import Devices
import Host
import KVM
import VirtioConsole

/// How a machine ended.
package enum MachineOutcome: Equatable, Sendable {
  /// The guest powered off.
  case poweredOff
  /// The guest reset itself, and was to end then.
  case reset
  /// The guest ended, or the machine was to, after its kernel had told of a panic.
  case panicked
  /// The guest ended itself after its kernel had told of an oops.
  case oopsed
  /// Every processor halted with interrupts off, and the machine was to end on resets.
  case halted
  /// The guest powered off, and some of what it had printed or sent is lost, as its reader was too slow.
  case outputLost
  /// The guest wrote this to the debug exit's ports.
  case debugExit(value: UInt32)
  /// A triple fault, and the machine was to end on resets; or one after another without progress.
  case tripleFault
  /// KVM could not go on; a report for the user.
  case internalError(String)
  /// The host failed us.
  case hostFailure(String)
  /// The user ended it from the console.
  case endedFromConsole
  /// A client of the control socket ended it.
  case endedByClient
  /// A signal ended it.
  case stopped(signal: Int32)
}

extension MachineOutcome {
  /// What the end means of a guest whose kernel has told of a fault before.
  func after(_ fault: KernelFault) -> MachineOutcome {
    switch (self, fault) {
    case (.poweredOff, .panic), (.reset, .panic), (.tripleFault, .panic), (.halted, .panic):
      .panicked
    case (.poweredOff, .oops), (.reset, .oops), (.halted, .oops): .oopsed
    default: self
    }
  }
}

/// What a guest, or the host under it, does to the machine as a whole.
enum BoardEvent: Equatable, Sendable {
  case powerOff
  case reset
  case tripleFault
  case panic(PVPanic.Event)
  case debugExit(value: UInt32)
  case failure(MachineOutcome)
  /// The guest has taken the device in this slot off the bus.
  case ejected(slot: Int)
  /// The guest has opened or closed a port.
  case portChanged(id: String, isOpen: Bool)
  /// A driver has come to a virtio-serial device.
  case driverCame

  /// What the end of a vCPU's thread means; nil if it was told to end.
  init?(_ end: VCPUEnd) {
    switch end {
    case .stopped: return nil
    case .shutdown: self = .tripleFault
    case .systemEvent(1): self = .powerOff  // KVM_SYSTEM_EVENT_SHUTDOWN
    case .systemEvent(2): self = .reset  // KVM_SYSTEM_EVENT_RESET
    case .hostError(let error): self = .failure(.hostFailure(error.description))
    case .halted, .internalError, .failEntry, .systemEvent, .unknownExit:
      self = .failure(.internalError(end.description))
    }
  }
}
