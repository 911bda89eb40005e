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
/// Made and run on one thread, which becomes the machine's I/O thread while it runs. Ports may come,
/// go and be asked about on any thread, at any time.
///
/// `@unchecked Sendable`: what other threads may call goes through `gate`.
public final class VirtualMachine: @unchecked Sendable {
  let machine: Machine
  let gate: LoopExecutor
  var backends: BackendOpener
  /// What the machine is made of now, every port numbered. Touched through the gate alone.
  package var configuration: VirtualMachineConfiguration
  /// Touched through the gate alone.
  var hasEnded = false
  private let hasBegun = Atomic<Bool>(false)
  /// Touched on the machine's thread alone, through the gate.
  var eventHandlers: [@Sendable (VirtualMachineEvent) -> Void] = []

  /// Called with each event of a device, and the device's label.
  let tracer: (@Sendable (String, TraceEvent) -> Void)?

  private let usesTerminal: Bool
  private let signals: SignalSource
  /// There where signals end the program; lasts until its end.
  private let signalGuard: SignalGuard?
  let hooks: ProgramHooks
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
    let opener = ConfigurationOpener(configuration)
    let hypervisor = try opener.openHypervisor()
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
    let patience = OpeningPatience.atStart()
    let stop = StopRequest()
    backends = BackendOpener(patience: patience, whenEnded: { stop.perform() })
    tracer = hooks.trace.map(Self.tracer)
    let resolved = try opener.open(hypervisor, backends: backends, trace: tracer)
    hooks.timings.mark("files and sockets opened")
    machine = Machine(resolved, hypervisor: hypervisor, loop: loop, timings: hooks.timings)
    gate = LoopExecutor(remote: loop.remote)
    self.configuration = try configuration.withNumberedPorts
    self.hooks = hooks
    usesTerminal = configuration.hasConsoleOnStandardIO && Terminal.isTerminal(STDIN_FILENO)
    stop.machine = machine
    machine.onEvent = { [unowned self] in tell($0) }
    machine.onDeviceRemoved = { [unowned self] in deviceRemoved($0) }
    if configuration.startsPaused { machine.pause() }
  }

  /// What the machine's thread runs; for registering what belongs to that thread before `run`.
  package var loop: EventLoop { machine.loop }

  /// The threads that run the CPUs, as gettid(2) tells; nil for one that does not run, none while no
  /// guest is there. On the machine's thread.
  package var processorThreads: [Int32?] { machine.processorThreads }

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
    gate.begin()
    backends.isMachineRunning = true
    defer {
      gate.perform { [self] in hasEnded = true }
      gate.end()
    }
    let outcome = runMachine()
    tell(.ended(outcome))
    eventHandlers = []
    return outcome
  }

  private func runMachine() -> VirtualMachineOutcome {
    do throws(SystemError) {
      if usesTerminal { terminal = try Terminal(rawModeOn: STDIN_FILENO) }
      defer { terminal = nil }
      try signals.start(on: machine.loop) { [unowned self] in handle($0) }
      defer { signals.stop() }
      machine.loop.after(milliseconds: 0, hooks.whenStarted)
      return machine.run()
    } catch {
      return .failed(error.description)
    }
  }

  private func handle(_ signal: Int32) {
    switch signal {
    case SIGWINCH: machine.windowSizeMayHaveChanged()
    // A shell changes the terminal's mode while the process is stopped; its size may change, too.
    case SIGCONT:
      terminal?.reapply()
      machine.windowSizeMayHaveChanged()
    case hooks.reportSignal: hooks.report(consoleDeviceReports, serialPortReports)
    case SIGTERM where mayPowerDown: powerDown()
    default: machine.end(.stopped(signal: signal))
    }
  }

  /// Whether a guest is there that may answer to its power button, which has not been pressed for this.
  private var mayPowerDown: Bool {
    hooks.powerDownSeconds != nil && powerDownDeadline == nil && machine.hasRun && !machine.isEnding
  }

  /// Presses the power button, and ends the machine where that does not help in time.
  private func powerDown() {
    machine.pressPowerButton()
    powerDownDeadline = machine.loop.after(
      milliseconds: (hooks.powerDownSeconds ?? 0).multipliedReportingOverflow(by: 1000).partialValue
    ) { [weak self] in
      Log.warning("the guest has not powered off in time after SIGTERM")
      self?.machine.end(.stopped(signal: SIGTERM))
    }
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

  // MARK: Control

  // Callable on any thread, before, while and after the machine runs. A call waits until the machine's
  // thread has done it, which is a matter of milliseconds.

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

extension VirtualMachineConfiguration {
  /// Whether a person may be typing to the guest.
  fileprivate var hasConsoleOnStandardIO: Bool {
    serialPort.attachment.includesStandardIO
      || consoleDevices.contains { device in
        device.ports.contains { $0.isConsole && $0.attachment.includesStandardIO }
      }
  }

  /// The same, with the number that each port gets.
  fileprivate var withNumberedPorts: VirtualMachineConfiguration {
    get throws(ConfigurationError) {
      var configuration = self
      for (index, device) in consoleDevices.enumerated() {
        for (place, number) in try device.portNumbers.enumerated() {
          configuration.consoleDevices[index].ports[place].number = number
        }
      }
      return configuration
    }
  }
}

/// Lets the console's escape key reach a machine that is made after the console.
private final class StopRequest {
  weak var machine: Machine?

  func perform() { machine?.end(.stoppedByUser) }
}
