import Chardev
import Glibc
import Host
import KVM
import Synchronization
import VirtioConsole

/// A virtual machine: made from a configuration, run once to its end.
///
/// ```swift
/// let machine = try VirtualMachine(configuration)
/// let outcome = try machine.run()
/// ```
///
/// Made and run on one thread, which becomes the machine's I/O thread while it runs. Everything else may be
/// called on any thread, before, while and after the machine runs. A call waits until the I/O thread has
/// carried it out, which is a matter of milliseconds.
///
/// `@unchecked Sendable`: the engine is used on the I/O thread, through `executor`; the rest belongs to the
/// thread that makes and runs the machine.
public final class VirtualMachine: @unchecked Sendable {
  /// The machine itself; to be used on the I/O thread.
  package let engine: Machine
  let executor: LoopExecutor
  private let hasBegun = Atomic<Bool>(false)
  private let usesTerminal: Bool
  private let signals: SignalSource
  /// Present where signals end the program; lasts until its end.
  private let signalGuard: SignalGuard?
  private let hooks: ProgramHooks
  private var terminal: Terminal?
  private var powerDownDeadline: EventLoop.Timer?

  /// Opens everything the configuration names: `/dev/kvm`, the kernel, the initrd, last of all the
  /// sockets, which listen from now on. Throws what the user has to change, having created nothing.
  /// Raises the process's limit of open descriptors (`RLIMIT_NOFILE`) where the ports need it.
  public convenience init(_ configuration: VirtualMachineConfiguration) throws(ConfigurationError) {
    try self.init(configuration, ProgramHooks())
  }

  /// The same for a program that lives for this machine alone. The signals it names are blocked in
  /// this thread from now on: one that comes before `run` must not leave sockets. One that is not
  /// taken in time, then or later, ends the process all the same.
  package init(
    _ configuration: VirtualMachineConfiguration, _ hooks: ProgramHooks
  ) throws(ConfigurationError) {
    try configuration.validate()
    SignalSource.ignoreWriteFailures()
    let hypervisor = try Hypervisor.open(for: configuration)
    try FileDescriptorBudget.secure(configuration)
    hooks.timings.mark("/dev/kvm opened")
    let loop: EventLoop
    do throws(SystemError) {
      loop = try EventLoop()
      signals = try SignalSource(
        hooks.endingSignals + [SIGCONT, SIGWINCH] + (hooks.reportSignal.map { [$0] } ?? []))
      signalGuard = hooks.endingSignals.isEmpty ? nil : try SignalGuard(hooks.endingSignals)
    } catch {
      throw ConfigurationError(
        .host, at: .root, "the host refuses an event loop: \(error)")
    }
    engine = try Machine(
      configuration, hypervisor: hypervisor, loop: loop, timings: hooks.timings,
      trace: hooks.trace.map(Self.tracer))
    hooks.timings.mark("files and sockets opened")
    executor = LoopExecutor(remote: loop.remote)
    self.hooks = hooks
    usesTerminal = configuration.hasConsoleOnStandardIO && Terminal.isTerminal(STDIN_FILENO)
  }

  /// Makes lines of a device's events, whose time counts from now on.
  private static func tracer(
    _ print: @escaping @Sendable (String) -> Void
  ) -> @Sendable (String, TraceEvent) -> Void {
    let start = MonotonicClock.now()
    return { device, event in
      let time = Milliseconds(nanoseconds: event.time &- start)
      print("trace: \(time)  \(device)  \(event.direction.rawValue): \(event.text)")
    }
  }

  /// Boots the guest, and returns when the machine has ended. A terminal used as a console is raw
  /// until then.
  ///
  /// - Throws: at once where it has been called before, on whatever thread.
  public func run() throws(ConfigurationError) -> VirtualMachineOutcome {
    guard !hasBegun.exchange(true, ordering: .relaxed) else {
      throw ConfigurationError(
        .state, at: .root, "run() has been called before",
        "make another VirtualMachine, as one runs once")
    }
    executor.begin()
    defer { executor.end() }
    return engine.run { () throws(SystemError) in
      if usesTerminal { terminal = try Terminal(rawModeOn: STDIN_FILENO) }
      try signals.start(on: engine.loop) { [unowned self] in handle($0) }
      engine.loop.after(milliseconds: 0, hooks.whenStarted)
    } finally: {
      signals.stop()
      terminal = nil
    }
  }

  // MARK: Signals

  private func handle(_ signal: Int32) {
    switch signal {
    case SIGWINCH: engine.windowSizeMayHaveChanged()
    // A shell changes the terminal's mode while the process is stopped; its size may change, too.
    case SIGCONT:
      terminal?.reapply()
      engine.windowSizeMayHaveChanged()
    case hooks.reportSignal: hooks.report(consoleDeviceReports, serialPortReports)
    case SIGTERM where mayPowerDown: powerDown()
    default: engine.end(.stopped(signal: signal))
    }
  }

  /// Whether a guest is there that may answer to its power button, which has not been pressed for this.
  private var mayPowerDown: Bool {
    hooks.powerDownSeconds != nil && powerDownDeadline == nil
      && [.running, .paused].contains(engine.state)
  }

  /// Presses the power button, and ends the machine where that does not help in time.
  private func powerDown() {
    engine.pressPowerButton()
    powerDownDeadline = engine.loop.after(
      milliseconds: (hooks.powerDownSeconds ?? 0).multipliedReportingOverflow(by: 1000).partialValue
    ) { [weak self] in
      Log.warning("the guest has not powered off in time after SIGTERM")
      self?.engine.end(.stopped(signal: SIGTERM))
    }
  }

  // MARK: Life

  /// Ends the machine as soon as it can be, with `VirtualMachineOutcome.stoppedByUser`, whatever the
  /// guest is doing. Without effect before `run` and after its end.
  public func stop() { executor.perform { [engine] in engine.end(.stoppedByUser) } }

  /// Stops the guest until `resume`: no CPU runs, no device touches its memory. What clients send
  /// waits in their sockets, and nothing is lost. Before `run`, the guest does not begin. Without
  /// effect on a guest that is paused already, and after the end.
  public func pause() { executor.perform { [engine] in engine.pause() } }

  /// Lets a paused guest go on.
  public func resume() { executor.perform { [engine] in engine.resume() } }

  /// Resets the guest, whatever it is doing: it boots anew, or the machine ends, by
  /// `VirtualMachineConfiguration.resetPolicy`. A paused one stays paused. Without effect before
  /// `run` and after its end.
  public func reset() { executor.perform { [engine] in engine.reset() } }

  /// Presses the power button: most guests shut down then, a paused one once it goes on. Without
  /// effect before `run` and after its end.
  public func pressPowerButton() { executor.perform { [engine] in engine.pressPowerButton() } }

  /// What the machine is doing.
  public var state: VirtualMachineState { executor.perform { [engine] in engine.state } }

  /// Whether the guest is paused, or will be from its boot on.
  public var isPaused: Bool { executor.perform { [engine] in engine.isPaused } }

  /// Calls `handler` with each event from now on, after the handlers that were there before, until the
  /// machine has ended. It is called on the I/O thread as things happen, so it must not wait; it
  /// may call the machine.
  public func addEventHandler(_ handler: @escaping @Sendable (VirtualMachineEvent) -> Void) {
    executor.perform { [engine] in engine.addEventHandler(handler) }
  }

  // MARK: Devices and ports

  /// What each device is doing; after the end, what it was doing then.
  public var consoleDeviceReports: [VirtioConsoleDeviceReport] {
    executor.perform { [engine] in engine.deviceStatistics }
  }

  /// The serial console, as `serial`, and an emergency output with a backend of its own, as
  /// `emergency`: each a device with one console port; none where there is no backend.
  public var serialPortReports: [VirtioConsoleDeviceReport] {
    executor.perform { [engine] in engine.serialStatistics }
  }

  /// Adds a port to a device. A running guest is told at once, and finds it again after each
  /// reset.
  ///
  /// - Parameters:
  ///   - port: any but one on standard input and output, which is given out at the start.
  ///   - device: the device's id; nil for the first.
  /// - Returns: the port's number.
  /// - Throws: what the user has to change, having changed nothing.
  @discardableResult
  public func addPort(
    _ port: VirtioConsolePortConfiguration, toDevice device: String? = nil
  ) throws(ConfigurationError) -> Int {
    try executor.perform { [engine] () throws(ConfigurationError) in
      try engine.requireLife()
      guard let found = device.map({ engine.device(id: $0) }) ?? engine.devices.first else {
        let problem: ConfigurationError.Text =
          device == nil ? "the machine has no virtio-serial device" : "there is no such device"
        throw ConfigurationError(
          .notFound, at: .root.consoleDevices.id, given: device ?? "", problem,
          "give the id of a device")
      }
      return try engine.add(port, to: found).number
    }
  }

  /// Removes the port with this id, which no guest needs to agree to. What its client takes at once
  /// is passed on to it, then the backend is closed.
  public func removePort(id: String) throws(ConfigurationError) {
    try removePort(id, at: PropertyPath.root.consoleDevices.ports.id) { $0.port(id: id) }
  }

  /// Removes the port that has this name in the guest, as `removePort(id:)` does.
  public func removePort(named name: String) throws(ConfigurationError) {
    try removePort(name, at: PropertyPath.root.consoleDevices.ports.name) { $0.port(named: name) }
  }

  private func removePort(
    _ value: String, at property: PropertyPath,
    _ find: @escaping @Sendable (Machine) -> MachinePort?
  ) throws(ConfigurationError) {
    try executor.perform { [engine] () throws(ConfigurationError) in
      try engine.requireLife()
      guard let port = find(engine) else {
        throw ConfigurationError(
          .notFound, at: property, given: value, "there is no such port",
          "give the id or the name of a port")
      }
      engine.remove(port)
    }
  }

  /// Adds a device on the PCI bus, with its ports. A running guest is told at once, by ACPI's
  /// hot-plugging, and finds it in the same slot after each reset; that takes a configuration which
  /// `allowsHotPlug`, or has control sockets.
  ///
  /// - Throws: what the user has to change, having changed nothing.
  public func addDevice(_ device: VirtioConsoleDeviceConfiguration) throws(ConfigurationError) {
    try executor.perform { [engine] () throws(ConfigurationError) in try engine.add(device) }
  }

  /// Asks the guest to let the device with this id go. It is gone, with its ports and their
  /// backends, once the guest has ejected it or is reset, which `VirtualMachineEvent.deviceRemoved`
  /// tells; before `run`, at once. A guest that does not answer keeps it.
  ///
  /// - Throws: where there is no such device, none that can be removed, or the guest has been asked.
  public func removeDevice(id: String) throws(ConfigurationError) {
    try executor.perform { [engine] () throws(ConfigurationError) in
      try engine.requireLife()
      guard let device = engine.device(id: id) else {
        throw ConfigurationError(
          .notFound, at: .root.consoleDevices.id, given: id, "there is no such device",
          "give the id of a device")
      }
      try engine.requestRemoval(of: device)
    }
  }
}
