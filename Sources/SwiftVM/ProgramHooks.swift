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

  /// Makes a port of an option and what follows it on the command line, for one that comes while the
  /// machine runs: `--virtserialport`, `--virtconsole` or `--preset`. With it the device, as its bus.
  package var parsePort: PortParser?

  /// See `parsePort`.
  package typealias PortParser = (_ option: String, _ value: String) throws(ParseError) -> (
    bus: String?, port: VirtioConsolePortConfiguration
  )

  /// Why words make no port: one line.
  package struct ParseError: Error {
    package let description: String

    package init(_ description: String) { self.description = description }
  }

  /// Writes an error in the program's words: options in place of properties.
  package var spell: (ConfigurationError) -> String = { $0.description }

  /// Nothing.
  package init() {}
}
