// Callable on any thread, before, while and after the machine runs. A call waits until the machine's
// thread has done it, which is a matter of milliseconds.
extension VirtualMachine {
  /// Ends the machine as soon as it can be, with `VirtualMachineOutcome.stoppedByUser`, whatever the
  /// guest is doing. Without effect before `run` and after its end.
  public func stop() {
    gate.perform { [self] in
      if machine.isStarted { machine.end(.stoppedByUser) }
    }
  }

  /// Stops the guest until `resume`: no CPU runs, no device touches its memory. What clients send
  /// waits in their sockets, and nothing is lost. Before `run`, the guest does not begin. Without
  /// effect on a guest that is paused already, and after the end.
  public func pause() { gate.perform { [self] in if !hasEnded { machine.pause() } } }

  /// Lets a paused guest go on.
  public func resume() { gate.perform { [self] in if !hasEnded { machine.resume() } } }

  /// What the machine is doing.
  public var state: VirtualMachineState {
    gate.perform { [self] in
      if hasEnded { return .ended }
      if machine.isEnding { return .stopping }
      guard machine.hasRun else { return .created }
      return machine.isPaused ? .paused : .running
    }
  }

  /// Whether the guest is paused, or will be from its boot on.
  public var isPaused: Bool { gate.perform { [self] in machine.isPaused } }

  /// Resets the guest, whatever it is doing: it boots anew, or the machine ends, by
  /// `VirtualMachineConfiguration.resetPolicy`. A paused one stays paused. Without effect before
  /// `run` and after its end.
  public func reset() { gate.perform { [self] in machine.reset() } }

  /// Presses the power button: most guests shut down then, a paused one once it goes on. Without
  /// effect before `run` and after its end.
  public func pressPowerButton() { gate.perform { [self] in machine.pressPowerButton() } }

  /// Calls `handler` with every event from now on, after the handlers that were there before, until the
  /// machine has ended. It is called on the machine's thread as things happen, so it must not wait; it
  /// may call the machine.
  public func addEventHandler(_ handler: @escaping @Sendable (VirtualMachineEvent) -> Void) {
    gate.perform { [self] in eventHandlers.append(handler) }
  }

  /// Tells the handlers. On the machine's thread.
  func tell(_ event: VirtualMachineEvent) {
    for handler in eventHandlers { handler(event) }
  }
}
