/// What a program that runs one machine wants beside it.
package struct ProgramHooks {
  /// Milestones of the start are told to these.
  package var timings = Timings()
  /// Called once, on the machine's thread, when the guest runs.
  package var whenStarted: () -> Void = {}
  /// Signals that end the machine.
  package var endingSignals: [Int32] = []
  /// How long a guest whose power button SIGTERM presses has to end, in seconds; nil where that signal
  /// ends the machine itself, as every other does, and a second one.
  package var powerDownSeconds: Int?
  /// The signal on which `report` is called, on the machine's thread.
  package var reportSignal: Int32?
  /// Gets the devices' reports, and those of the consoles besides; must not wait.
  package var report: ([VirtioConsoleDeviceReport], [VirtioConsoleDeviceReport]) -> Void = {
    _, _ in
  }
  /// Gets one line for every control message and change of state, on any thread; must not wait.
  package var trace: (@Sendable (String) -> Void)?

  /// Nothing.
  package init() {}
}
