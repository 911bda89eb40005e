/// What becomes of a virtual machine while it runs.
public enum VirtualMachineEvent: Equatable, Sendable {
  /// The guest boots anew; whether it reset itself (or broke down), or was reset from outside.
  case reset(byGuest: Bool)

  /// The power button was pressed, to which the guest answers as it likes.
  case powerButtonPressed

  /// The machine ends, this way. What the guest has sent before is still passed on.
  case shutdown(VirtualMachineOutcome)

  /// The guest stands still.
  case paused

  /// The guest goes on.
  case resumed

  /// The guest's kernel says that it cannot go on; whether it starts a crash kernel now.
  case guestPanicked(startsCrashKernel: Bool)

  /// A device that was removed is gone, or the guest has ejected it: first each of its ports that
  /// have an id is told of, then the device, if it has one.
  case deviceRemoved(id: String)

  /// The guest has opened or closed the port with this id; ports without an id tell nothing.
  case portChanged(id: String, isOpen: Bool)
}

extension VirtualMachineEvent {
  /// The event as the library tells it; nil for one that it does not tell, or
  /// not by itself.
  init?(_ event: MachineEvent) {
    switch event {
    case .reset(let byGuest): self = .reset(byGuest: byGuest)
    case .powerButtonPressed: self = .powerButtonPressed
    case .shutdown(let outcome): self = .shutdown(VirtualMachineOutcome(outcome))
    case .paused: self = .paused
    case .resumed: self = .resumed
    case .guestPanicked(let startsCrashKernel):
      self = .guestPanicked(startsCrashKernel: startsCrashKernel)
    case .deviceRemoved: return nil
    case .portChanged(let id, let isOpen):
      guard !id.isEmpty else { return nil }
      self = .portChanged(id: id, isOpen: isOpen)
    }
  }
}
