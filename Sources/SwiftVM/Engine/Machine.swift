import Chardev
import Devices
import Host
import KVM
import VirtioConsole

/// A virtual machine from before its first boot to its end, over any number of resets.
///
/// `run` makes the calling thread the I/O thread: it owns the event loop, every backend and the host side
/// of every device. Each vCPU has a thread of its own.
///
/// `@unchecked Sendable`: everything here happens on the I/O thread; other threads only post to it.
package final class Machine: @unchecked Sendable {
  private enum Phase {
    case created
    /// The backends are served; a guest runs, or is about to.
    case serving
    /// The guest runs no more; what it has sent is still passed on.
    case ending
    case ended
  }

  /// After a boot, or the start of a driver, code that only a start needs is given back.
  private static let startMilliseconds = 500
  /// How long programs on its ports may take to end after it, and a little more.
  private static let farewellMilliseconds = 2000
  /// Triple faults in a row, each soon after the boot, that are a crash and no reboot.
  private static let earlyFaultLimit = 3
  private static let earlyFaultNanoseconds: Int64 = 10_000_000_000

  /// The loop all I/O runs on; for registering what belongs to the same thread before `run`.
  package let loop: EventLoop
  let backends = Backends()
  let consoles: SerialConsoles
  /// The console devices, in the order in which they came.
  package internal(set) var devices: [MachineDevice] = []
  /// This life of the guest; nil while there is none.
  private(set) var board: Board?
  /// The guest stands still, or will from its boot on.
  private(set) var isPaused: Bool
  /// Looks after a guest that is silent.
  var silence = Silence()
  /// Called with events of devices and the device's label, on any thread.
  let trace: (@Sendable (String, TraceEvent) -> Void)?
  /// How many devices there have been.
  var deviceCount = 0
  /// What the machine was made from. Its devices and spares have changed since.
  private let origin: VirtualMachineConfiguration
  private let hypervisor: Hypervisor
  private let image: BootImage
  private let timings: Timings
  /// What the guest's kernel has told of itself in this life.
  private let faults = KernelFaultRecord()
  private var eventHandlers: [@Sendable (VirtualMachineEvent) -> Void] = []
  private var phase = Phase.created
  /// A guest has been let run.
  private var hasRun = false
  /// Some of what the guest has printed or sent is lost, as a reader was too slow for it.
  private var hasLostOutput = false
  /// Counts boots: events of a board that is gone mean nothing.
  private var bootCount = 0
  private var bootTime: Int64 = 0
  private var earlyFaults = 0
  private var outcome: VirtualMachineOutcome?
  private var codeRelease: EventLoop.Timer?
  /// For what the guest may do again and again.
  private let log = RateLimitedLog(print: { Log.note($0) })

  /// Opens the kernel, the initrds and all backends.
  ///
  /// - Parameter configuration: valid.
  /// - Throws: what the user has to change.
  init(
    _ configuration: VirtualMachineConfiguration, hypervisor: Hypervisor, loop: EventLoop,
    timings: Timings, trace: (@Sendable (String, TraceEvent) -> Void)?
  ) throws(ConfigurationError) {
    origin = configuration
    self.hypervisor = hypervisor
    self.loop = loop
    self.timings = timings
    self.trace = trace
    isPaused = configuration.startsPaused
    image = try BootImage(configuration, hypervisor)
    for (index, device) in configuration.consoleDevices.enumerated() {
      devices.append(
        try MachineDevice(
          device, label: device.label(number: index), at: .root.consoleDevices[index], backends,
          trace: trace))
    }
    deviceCount = devices.count
    for spare in configuration.characterDevices { try backends.addSpare(spare) }
    consoles = try SerialConsoles(configuration, backends, loop: loop, faults: faults)
    consoles.serial.onOutput = { [weak self] in self?.guestSpoke() }
    backends.tellTerminals()
    backends.onEscape = { [weak self] in self?.end(.stoppedByUser) }
  }

  /// What the machine is made of now, each port numbered.
  package var configuration: VirtualMachineConfiguration {
    var configuration = origin
    configuration.consoleDevices = devices.map(\.configuration)
    configuration.characterDevices = backends.spares
    return configuration
  }

  // MARK: Events

  func addEventHandler(_ handler: @escaping @Sendable (VirtualMachineEvent) -> Void) {
    eventHandlers.append(handler)
  }

  /// Tells the handlers while the machine runs; they may call the machine.
  func tell(_ event: VirtualMachineEvent) {
    guard phase != .created else { return }
    for handler in eventHandlers { handler(event) }
  }

  // MARK: State

  /// What it is doing.
  var state: VirtualMachineState {
    switch phase {
    case .ended: .ended
    case .ending: .stopping
    case .created, .serving: hasRun ? (isPaused ? .paused : .running) : .created
    }
  }

  /// Whether the backends are served.
  var isStarted: Bool { phase == .serving || phase == .ending }

  /// Whether the end has begun.
  var isEnding: Bool { phase == .ending || phase == .ended }

  /// Refuses a change after the end.
  func requireLife() throws(ConfigurationError) {
    guard phase != .ended else {
      throw ConfigurationError(.state, at: .root, "the machine has ended")
    }
  }

  /// Whether the guest expects devices on the PCI bus to come and go.
  var hasHotPlug: Bool { origin.hasHotPlug }

  /// The threads that run the vCPUs, as gettid(2) tells; nil for one that does not run, none while no
  /// guest is there.
  package var processorThreads: [Int32?] { board?.processorThreads ?? [] }

  // MARK: Life

  /// Boots, and stays until the machine has ended; its backends have been stopped then.
  ///
  /// - Parameters:
  ///   - prepare: what comes first; a failure ends the machine.
  ///   - cleanUp: what comes last before the handlers are told of the end.
  func run(
    preparing prepare: () throws(SystemError) -> Void, finally cleanUp: () -> Void
  ) -> VirtualMachineOutcome {
    do throws(SystemError) {
      try prepare()
      try beginService()
      backends.awaitClients { self.outcome != nil }
      if outcome == nil { boot() }
      if outcome == nil { loop.run() }
    } catch {
      outcome = .failed(error.description)
    }
    phase = .ended
    backends.stop()
    loop.drain(limitMilliseconds: Self.farewellMilliseconds)
    cleanUp()
    let outcome = outcome ?? .failed("the event loop ended by itself")
    tell(.ended(outcome))
    eventHandlers = []
    return outcome
  }

  /// Begins to serve the backends.
  func beginService() throws(SystemError) {
    try backends.start(on: loop)
    phase = .serving
  }

  /// Ends the machine as soon as it can be. Without effect before `run` and after its end.
  func end(_ outcome: VirtualMachineOutcome) {
    if isStarted { finish(outcome, lingering: false) }
  }

  /// Presses the power button, to which the guest answers as it likes: a paused one once it goes on.
  /// Without effect while no guest is there.
  func pressPowerButton() {
    guard let board, !isEnding else { return }
    board.pressPowerButton()
    tell(.powerButtonPressed)
  }

  /// Stops the guest until `resume`: no vCPU runs, no device touches its memory. What clients send
  /// waits in their sockets. Before the first boot, the guest does not begin. Without effect on a machine
  /// that is paused already, or ending.
  func pause() {
    guard !isPaused, !isEnding else { return }
    isPaused = true
    if let board { pause(board) }
    tell(.paused)
  }

  private func pause(_ board: Board) {
    board.pause()
    for device in devices { device.console?.device.pause() }
  }

  /// Lets a paused guest go on.
  func resume() {
    guard isPaused, !isEnding else { return }
    isPaused = false
    for device in devices { device.console?.device.resume() }
    board?.resume()
    guestSpoke()
    hasRun = hasRun || board != nil
    tell(.resumed)
  }

  /// Resets the guest as it might do itself: it boots anew, or the machine ends, as configured. A
  /// paused one stays paused. Without effect while no guest is there.
  func reset() {
    guard board != nil, !isEnding else { return }
    earlyFaults = 0
    reset(byGuest: false)
  }

  // MARK: Boot and reset

  /// Whether a reset ends the machine now.
  var endsOnReset: Bool { origin.resetPolicy == .exit || silence.awaitsLastWords }

  private func boot() {
    bootCount += 1
    bootTime = MonotonicClock.now()
    faults.clear()
    guestSpoke()
    let number = bootCount
    do {
      let board = try Board(
        origin, image, devices: devices, hypervisor: hypervisor, loop: loop,
        serial: consoles.serial,
        emergencyOutput: consoles.emergencyOutput, timings: timings, faults: faults,
        events: GuestEventMailbox(remote: loop.remote) { [weak self] in
          self?.handle($0, ofBoot: number)
        },
        onConsoleOutput: { [weak self] in self?.guestSpoke() })
      self.board = board
      if isPaused { pause(board) }
      try board.powerOn()
      hasRun = hasRun || !isPaused
      timings.mark("first KVM_RUN")
      releaseCodeLater()
    } catch {
      finish(.failed("cannot make the virtual machine: \(error)"), lingering: false)
    }
  }

  /// Gives back what a start needs of the program, once the start is over.
  private func releaseCodeLater() {
    guard codeRelease?.isPending != true else { return }
    codeRelease = loop.after(milliseconds: Self.startMilliseconds) { try? TextPages.release() }
  }

  private func handle(_ event: GuestEvent, ofBoot number: Int) {
    guestSpoke()
    // Ports close as a board goes.
    if case .portChanged(let port, let isOpen) = event {
      return tell(.portChanged(id: port.id, isOpen: isOpen))
    }
    guard number == bootCount, !isEnding else { return }
    switch event {
    case .powerOff: finish(.poweredOff, lingering: true)
    case .failure(let outcome): finish(outcome, lingering: false)
    case .debugExit(let value): finish(.debugExit(value: value), lingering: true)
    case .panic(let kind): panicked(kind)
    case .ejected(let slot): slotEjected(slot)
    case .portChanged: break
    case .driverCame: releaseCodeLater()
    case .tripleFault where endsOnReset: finish(.tripleFault, lingering: true)
    case .reset:
      earlyFaults = 0
      reset(byGuest: true)
    case .tripleFault:
      let age = MonotonicClock.now() &- bootTime
      earlyFaults = age < Self.earlyFaultNanoseconds ? earlyFaults + 1 : 0
      guard earlyFaults < Self.earlyFaultLimit else {
        return finish(.tripleFault, lingering: true)
      }
      log.warning("triple fault: the guest boots again")
      reboot(byGuest: true)
    }
  }

  private func panicked(_ kind: PVPanic.Event) {
    tell(.guestPanicked(startsCrashKernel: kind == .crashKernelLoaded))
    switch kind {
    case .crashKernelLoaded: log.warning("the guest panicked, and starts its crash kernel")
    case .panicked:
      switch origin.panicPolicy {
      case .exit: awaitLastWords()
      case .proceed: log.warning("the guest panicked, and decides itself what comes next")
      case .pause:
        log.warning("the guest panicked, and is paused")
        pause()
      }
    }
  }

  private func reset(byGuest: Bool) {
    if endsOnReset { return finish(.reset, lingering: true) }
    reboot(byGuest: byGuest)
  }

  private func reboot(byGuest: Bool) {
    removeBoard()
    completeRemovals()
    tell(.reset(byGuest: byGuest))
    boot()
  }

  /// Stops the guest for good; its devices may still pass on what it has handed over, paused or not.
  private func stopGuest() {
    board?.stop()
    for device in devices { device.console?.device.resume() }
  }

  private func removeBoard() {
    stopGuest()
    loop.clock.restart(nanoseconds: EventLoop.TurnClock.farewellNanoseconds)
    if flushDevices(isLast: true) {
      hasLostOutput = true
      Log.warning("a client had not taken all the guest sent when it ended; the rest is lost")
    }
    for device in devices where device.unplug() { hasLostOutput = true }
    board = nil
    consoles.serial.removeUART()
  }

  // MARK: The end

  /// Ends the machine.
  ///
  /// - Parameter lingering: whether clients that are slow to read get time for what the guest has
  ///   sent before it ended.
  func finish(_ outcome: VirtualMachineOutcome, lingering: Bool) {
    if isEnding, lingering { return }
    let isFirst = !isEnding
    phase = .ending
    stopGuest()
    // What the guest has printed last may tell of a panic.
    if lingering {
      loop.clock.restart(nanoseconds: EventLoop.TurnClock.farewellNanoseconds)
      _ = flush(isLast: true)
    }
    if self.outcome == nil { self.outcome = outcome.after(faults.fault) }
    if isFirst { tell(.shutdown(self.outcome ?? outcome)) }
    guard lingering else { return conclude() }
    linger(ReaderPatience(limitSeconds: origin.lingerLimit, progress: progress))
  }

  /// One bounded step at a time, so that a signal still ends it.
  private func linger(_ patience: ReaderPatience) {
    var patience = patience
    guard flush(), patience.hasTime(for: progress) else { return conclude() }
    loop.after(milliseconds: ReaderPatience.stepMilliseconds) { [weak self, patience] in
      self?.linger(patience)
    }
  }

  /// Passes on what backends take now, in long turns where no others may follow; returns whether they
  /// may take more.
  private func flush(isLast: Bool = false) -> Bool {
    [flushDevices(isLast: isLast), consoles.flush()].contains(true)
  }

  private func flushDevices(isLast: Bool) -> Bool {
    devices.map { $0.console?.device.flush(isLast: isLast) == true }.contains(true)
  }

  /// How far readers are. Bytes that leave this process count, and bytes that leave a pipe.
  private var progress: [UInt64] {
    let devices = devices.compactMap { $0.console?.device }
    return devices.flatMap { [$0.bytesToHost, UInt64(clamping: $0.unreadByteCount)] }
      + consoles.progress
  }

  private func conclude() {
    loop.clock.restart(nanoseconds: EventLoop.TurnClock.farewellNanoseconds)
    if consoles.conclude() { hasLostOutput = true }
    removeBoard()
    if hasLostOutput, outcome == .poweredOff { outcome = .outputLost }
    loop.stop()
  }
}
