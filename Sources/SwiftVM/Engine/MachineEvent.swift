/// What becomes of a machine, for whoever watches it. Told on the loop's thread, as it happens.
package enum MachineEvent: Equatable, Sendable {
  /// The guest boots anew; whether it reset itself (or broke down), or was reset from outside.
  case reset(byGuest: Bool)
  /// The power button was pressed, to which the guest answers as it likes.
  case powerButtonPressed
  /// The machine ends. What the guest has sent before is still passed on.
  case shutdown(MachineOutcome)
  /// The guest stands still.
  case paused
  /// The guest goes on.
  case resumed
  /// The guest's kernel says that it cannot go on; whether it starts a crash kernel now.
  case guestPanicked(startsCrashKernel: Bool)
  /// A device is gone, with its ports and their host ends: the one that was at this index.
  case deviceRemoved(index: Int)
  /// The guest has opened or closed a port, by its id, which is empty for one that has none.
  case portChanged(id: String, isOpen: Bool)
}
