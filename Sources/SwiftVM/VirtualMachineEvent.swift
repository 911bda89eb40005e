import Host
import VirtioConsole

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

/// How a virtual machine ended.
public enum VirtualMachineOutcome: Equatable, Sendable {
  /// The guest powered itself off.
  case poweredOff

  /// The guest reset itself, under `VirtualMachineConfiguration.ResetPolicy.exit`.
  case reset

  /// The guest ended after its kernel had told of a panic, by its panic device or on a console; or the
  /// machine did, under `VirtualMachineConfiguration.PanicPolicy.exit`.
  case panicked

  /// The guest powered itself off, or reset itself under `ResetPolicy.exit`, after its kernel had told of
  /// an oops on a console.
  case oopsed

  /// Every CPU halted with interrupts off, so that nothing could wake any of them, under
  /// `ResetPolicy.exit`.
  case halted

  /// The guest powered itself off, and some of what it had printed or sent is lost, as its reader was
  /// too slow.
  case outputLost

  /// The guest wrote this value to `VirtualMachineConfiguration.debugExit`.
  case debugExit(value: UInt32)

  /// A virtual CPU shut down on a triple fault.
  case tripleFault

  /// KVM could not go on with the guest (`KVM_EXIT_INTERNAL_ERROR`, `KVM_EXIT_FAIL_ENTRY`); the
  /// report may have several lines.
  case internalError(report: String)

  /// The host failed the machine: what was attempted and why it failed, in one line.
  case hostFailure(String)

  /// The user ended it: with Ctrl-A x on the console, by `VirtualMachine.stop`, or by QMP's `quit`.
  case stoppedByUser

  /// The process was told to end by this signal.
  case stopped(signal: Int32)
}

extension VirtualMachineOutcome {
  /// The host's failure, its text fit for one line.
  static func failed(_ text: String) -> VirtualMachineOutcome {
    .hostFailure(PlainText.escaped(text))
  }

  /// What the end means of a guest whose kernel has told of a fault before.
  func after(_ fault: KernelFault) -> VirtualMachineOutcome {
    switch (self, fault) {
    case (.poweredOff, .panic), (.reset, .panic), (.tripleFault, .panic), (.halted, .panic):
      .panicked
    case (.poweredOff, .oops), (.reset, .oops), (.halted, .oops): .oopsed
    default: self
    }
  }
}
