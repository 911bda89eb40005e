import Control
import Glibc
import Host

/// What QMP's commands get of a virtual machine; on the machine's thread, as the gate has it.
final class ControlledMachine: MachineControl {
  unowned let owner: VirtualMachine

  init(_ owner: VirtualMachine) { self.owner = owner }

  var machine: Machine { owner.machine }

  var name: String? { owner.configuration.name }

  var runState: RunState {
    if owner.hasEnded || machine.isEnding { return .shutdown }
    guard machine.hasRun else { return .prelaunch }
    return machine.isPaused ? .paused : .running
  }

  var processors: [ProcessorReport] {
    machine.processorThreads.enumerated().map { ProcessorReport(index: $0, thread: $1) }
  }

  func pauseGuest() { machine.pause() }
  func resumeGuest() { machine.resume() }
  func resetGuest() { machine.reset() }
  func pressPowerButtonOfGuest() { machine.pressPowerButton() }
  func quit() { machine.end(.endedByClient) }
}

extension QMPEvent {
  /// The event as clients hear of it; nil for one that is not told.
  init?(_ event: MachineEvent, onPanic policy: VirtualMachineConfiguration.PanicPolicy) {
    switch event {
    case .reset(let byGuest): self = .reset(byGuest: byGuest)
    case .powerButtonPressed: self = .powerButton
    case .shutdown(let outcome): self = .shutdown(ShutdownReason(outcome))
    case .paused: self = .stopped
    case .resumed: self = .resumed
    case .guestPanicked(let startsCrashKernel):
      self = .guestPanicked(startsCrashKernel ? .run : PanicAction(policy))
    // Told with the ids, by `VirtualMachine.deviceRemoved`.
    case .deviceRemoved: return nil
    case .portChanged(let id, let isOpen):
      guard !id.isEmpty else { return nil }
      self = .portChanged(id: id, isOpen: isOpen)
    }
  }
}

extension QMPEvent.PanicAction {
  init(_ policy: VirtualMachineConfiguration.PanicPolicy) {
    self =
      switch policy {
      case .proceed: .run
      case .pause: .pause
      case .exit: .poweroff
      }
  }
}

extension QMPEvent.ShutdownReason {
  init(_ outcome: MachineOutcome) {
    self =
      switch outcome {
      case .poweredOff, .oopsed, .halted, .outputLost, .debugExit: .guestShutdown
      case .reset, .tripleFault: .guestReset
      case .panicked: .guestPanic
      case .internalError, .hostFailure: .hostError
      case .endedFromConsole: .host
      case .endedByClient: .quitByClient
      case .stopped: .signal
      }
  }
}
