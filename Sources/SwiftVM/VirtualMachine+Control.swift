import Control

// Callable on any thread, before, while and after the machine runs. A call waits until the machine's
// thread has done it, which is a matter of milliseconds.
extension VirtualMachine {
  /// Ends the machine as soon as it can be, with `VirtualMachineOutcome.stoppedByUser`, whatever the
  /// guest is doing. Without effect before `run` and after its end.
  public func stop() {
    gate.perform { [self] in
      if machine.isStarted { machine.end(.endedFromConsole) }
    }
  }

  /// Stops the guest until `resume`: no CPU runs, no device touches its memory. What clients send
  /// waits in their sockets, and nothing is lost. Before `run`, the guest does not begin. Without
  /// effect on a guest that is paused already, and after the end.
  public func pause() { gate.perform { [self] in if !hasEnded { machine.pause() } } }

  /// Lets a paused guest go on.
  public func resume() { gate.perform { [self] in if !hasEnded { machine.resume() } } }

  /// Whether the guest is paused, or will be from its boot on.
  public var isPaused: Bool { gate.perform { [self] in machine.isPaused } }

  /// Resets the guest, whatever it is doing: it boots anew, or the machine ends, by
  /// `VirtualMachineConfiguration.resetPolicy`. A paused one stays paused. Without effect before
  /// `run` and after its end.
  public func reset() { gate.perform { [self] in machine.reset() } }

  /// Presses the power button: most guests shut down then, a paused one once it goes on. Without
  /// effect before `run` and after its end.
  public func pressPowerButton() { gate.perform { [self] in machine.pressPowerButton() } }

  /// Has `handler` hear what becomes of the machine from now on, after the handlers that were there
  /// before. It is called on the machine's thread as things happen, so it must not wait; it may call
  /// the machine.
  public func addEventHandler(_ handler: @escaping @Sendable (VirtualMachineEvent) -> Void) {
    gate.perform { [self] in eventHandlers.append(handler) }
  }

  /// Tells the library's user, and QMP's clients, of the machine's event. On the machine's thread.
  func tell(_ event: MachineEvent) {
    if case .deviceRemoved(let index) = event { return deviceRemoved(index) }
    if let news = QMPEvent(event, onPanic: configuration.panicPolicy) { control?.send(news) }
    control?.somethingChanged()
    guard let event = VirtualMachineEvent(event) else { return }
    tell(event)
  }

  /// Tells the library's user.
  func tell(_ event: VirtualMachineEvent) {
    for handler in eventHandlers { handler(event) }
  }
}
