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

  /// A port or a device that was removed is gone; nil for one without an id. Of a device, each of its
  /// ports is told of first.
  case deviceRemoved(id: String?)

  /// The guest has opened or closed the port with this id; nil for a port without one.
  case portChanged(id: String?, isOpen: Bool)

  /// The machine has ended, this way, and what the guest has sent is passed on or given up. Nothing is
  /// told after this.
  case ended(VirtualMachineOutcome)
}

/// What a virtual machine is doing.
public enum VirtualMachineState: Equatable, Sendable {
  /// No guest has been let run: before `VirtualMachine.run`, or while it waits for a first client or for
  /// `VirtualMachine.resume`.
  case created
  case running
  case paused
  /// The guest runs no more; what it has sent is still passed on.
  case stopping
  case ended
}
