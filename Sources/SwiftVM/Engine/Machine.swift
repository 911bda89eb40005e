import Chardev
import Devices
import Host
import KVM
import VirtioConsole

/// A virtual machine from its first boot to its end, over any number of resets.
///
/// `run` makes the calling thread the I/O thread: it owns the event loop, every chardev and the
/// host side of every device. Each vCPU has a thread of its own. `@unchecked Sendable`: everything
/// here happens on the loop's thread; others only post to it, through `remote`.
package final class Machine: @unchecked Sendable {
  /// How long the end waits for readers that take nothing.
  private static let stallMilliseconds = 10_000
  /// So long after a boot, or the coming of a driver, the code of the start is not needed any more.
  private static let startMilliseconds = 500
  /// How long programs on its ports may take to end after it, and a little more.
  private static let farewellMilliseconds = 2000
  private static let lingerStepMilliseconds = 5
  /// Triple faults in a row, each soon after the boot, that are a crash and no reboot.
  private static let earlyFaultLimit = 3
  private static let earlyFaultNanoseconds: Int64 = 10_000_000_000

  /// The loop all I/O runs on; for registering what belongs to the same thread before `run`.
  package let loop: EventLoop

  var configuration: MachineConfiguration
  private let hypervisor: Hypervisor
  private let timings: Timings
  private let serial: SerialConsole
  private let emergencyOutput: EmergencyOutput
  /// What the guest's kernel has told of itself in this life.
  let faults = KernelFaultRecord()
  /// See `Machine+Silence.swift`.
  var silence = Silence()
  /// The panic device has told of a panic that is to end the machine, once the kernel has said all.
  var awaitsLastWords = false
  /// Some of what the guest has printed or sent is lost, as a reader was too slow for it.
  private var hasLostOutput = false
  private(set) var board: Board?
  /// Hears what becomes of the machine while it runs; on the loop's thread. May call the machine.
  package var onEvent: (VirtualMachineEvent) -> Void = { _ in }
  /// Called with the place of a device that is gone.
  package var onDeviceRemoved: (Int) -> Void = { _ in }
  /// The guest stands still, or will from its boot on.
  package private(set) var isPaused = false
  /// A guest has been let run; until then it waits to be.
  package private(set) var hasRun = false
  var statistics = ConsoleStatistics()
  /// The host ends have been started, and new ones are to be.
  package private(set) var isStarted = false
  /// Which board an event is about: those of a board that is gone mean nothing.
  private var generation = 0
  private var outcome: VirtualMachineOutcome?
  /// The end has begun; the guest runs no more.
  package private(set) var isEnding = false
  private var bootTime: Int64 = 0
  private var codeRelease: EventLoop.Timer?
  /// For what the guest may do again and again.
  private let log = RateLimitedLog(print: { Log.note($0) })
  private var earlyFaults = 0

  package init(
    _ configuration: MachineConfiguration, hypervisor: Hypervisor, loop: EventLoop,
    timings: Timings
  ) {
    self.configuration = configuration
    self.hypervisor = hypervisor
    self.loop = loop
    self.timings = timings
    let owner = WeakMachine()
    serial = SerialConsole(
      chardev: configuration.serial, waitsForReader: configuration.serialWaitsForReader,
      remote: loop.remote, faults: faults, onOutput: { owner.machine?.guestSpoke() })
    emergencyOutput = EmergencyOutput(
      configuration.emergency, serial: serial, remote: loop.remote, faults: faults)
    owner.machine = self
  }

  /// Boots and stays until the machine has ended; its chardevs have been stopped then.
  package func run() -> VirtualMachineOutcome {
    do throws(SystemError) {
      try beginService()
      awaitClients()
      if outcome == nil { boot() }
      if outcome == nil { loop.run() }
    } catch {
      outcome = .failed(error.description)
    }
    isStarted = false
    for chardev in configuration.chardevs { chardev.stop() }
    loop.drain(limitMilliseconds: Self.farewellMilliseconds)
    return outcome ?? .failed("the event loop ended by itself")
  }

  /// Starts the backends.
  func beginService() throws(SystemError) {
    for chardev in configuration.chardevs { try chardev.start(on: loop) }
    isStarted = true
  }

  /// Until every listener that is to have a client before the boot has had one, or the machine is
  /// ended.
  private func awaitClients() {
    func isAwaited(_ chardev: any Chardev) -> Bool {
      chardev.session?.waitsForFirstClient == true
    }
    for chardev in configuration.chardevs where isAwaited(chardev) {
      Log.note("waiting for a client of \(chardev.filename)")
    }
    while outcome == nil, configuration.chardevs.contains(where: isAwaited) {
      loop.turn(timeoutMilliseconds: -1)
    }
  }

  /// Whether a reset ends the machine now.
  var endsOnReset: Bool { configuration.endsOnReset || awaitsLastWords }

  /// Ends the machine as soon as it can be; on the loop's thread.
  package func end(_ outcome: VirtualMachineOutcome) { finish(outcome, lingering: false) }

  /// The threads that run the vCPUs, as gettid(2) tells; nil for one that does not run, none while no
  /// guest is there.
  package var processorThreads: [Int32?] { board?.processorThreads ?? [] }

  /// A console without virtio: what it is called, its host end, and what went through it.
  package struct SerialLine {
    package let label: String
    package let filename: String
    package let statistics: PortStatistics
  }

  /// The serial console, and the emergency output where it has a host end of its own; on the loop's
  /// thread.
  package var serialLines: [SerialLine] {
    [("serial", serial), ("emergency", emergencyOutput.ownConsole)].compactMap { label, console in
      guard let console, let filename = console.filename else { return nil }
      return SerialLine(label: label, filename: filename, statistics: console.statistics)
    }
  }

  /// Presses the power button, to which the guest answers as it likes: a paused one once it goes on.
  /// On the loop's thread; without effect while no guest is there.
  package func pressPowerButton() {
    guard let board, !isEnding else { return }
    board.pressPowerButton()
    onEvent(.powerButtonPressed)
  }

  /// Stops the guest until `resume`: no vCPU runs, no device touches its memory. What clients send
  /// waits in their sockets. Before the first boot, the guest does not begin. On the loop's thread;
  /// without effect on a machine that is paused already, or ending.
  package func pause() {
    guard !isPaused, !isEnding else { return }
    isPaused = true
    board?.pause()
    if isStarted { onEvent(.paused) }
  }

  /// Lets a paused guest go on; on the loop's thread.
  package func resume() {
    guard isPaused, !isEnding else { return }
    isPaused = false
    board?.resume()
    guestSpoke()
    hasRun = hasRun || board != nil
    if isStarted { onEvent(.resumed) }
  }

  /// Resets the guest as it might do itself: it boots anew, or the machine ends, as configured. A
  /// paused one stays paused. On the loop's thread; without effect while no guest is there.
  package func reset() {
    guard board != nil, !isEnding else { return }
    earlyFaults = 0
    reset(byGuest: false)
  }

  // MARK: Boot and reset

  private func boot() {
    generation += 1
    bootTime = MonotonicClock.now()
    faults.clear()
    guestSpoke()
    let generation = generation
    let remote = loop.remote
    do {
      let board = try Board(
        configuration, hypervisor: hypervisor, loop: loop, serial: serial,
        emergencyOutput: emergencyOutput, timings: timings,
        faults: faults, onConsoleOutput: { [weak self] in self?.guestSpoke() },
        onNews: { [weak self] in self?.handle($0, ofBoard: generation) }
      ) { [weak self] event in
        remote.post { [weak self] in self?.handle(event, ofBoard: generation) }
      }
      self.board = board
      keepSlots(of: board)
      if isPaused { board.pause() }
      try board.powerOn()
      hasRun = hasRun || !isPaused
      timings.mark("first KVM_RUN")
      releaseCodeLater()
    } catch {
      finish(.failed("cannot make the virtual machine: \(error)"), lingering: false)
    }
  }

  /// What a start needs of the program is not needed any more, once it is over.
  private func releaseCodeLater() {
    guard codeRelease?.isPending != true else { return }
    codeRelease = loop.after(milliseconds: Self.startMilliseconds) { try? TextPages.release() }
  }

  private func handle(_ event: GuestEvent, ofBoard generation: Int) {
    guestSpoke()
    // Those of a board that is gone, too: its guest had them open until then.
    if case .portChanged(let id, let isOpen) = event {
      return onEvent(.portChanged(id: id.isEmpty ? nil : id, isOpen: isOpen))
    }
    guard generation == self.generation, !isEnding else { return }
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
    onEvent(.guestPanicked(startsCrashKernel: kind == .crashKernelLoaded))
    switch kind {
    case .crashKernelLoaded: log.warning("the guest panicked, and starts its crash kernel")
    case .panicked:
      switch configuration.panicAction {
      case .end: awaitLastWords()
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
    onEvent(.reset(byGuest: byGuest))
    boot()
  }

  private func removeBoard() {
    board?.stopProcessors()
    loop.clock.restart(nanoseconds: EventLoop.TurnClock.farewellNanoseconds)
    if board?.hasUnsentBytes(isLast: true) == true {
      hasLostOutput = true
      Log.warning("a client had not taken all the guest sent when it ended; the rest is lost")
    }
    if let board {
      let before = board.statistics
      board.dismantle()
      let after = board.statistics
      hasLostOutput = hasLostOutput || after.contains { $0.ports.contains(where: \.hasLostOutput) }
      statistics.retire(before: before, after: after)
    }
    board = nil
    serial.removeUART()
  }

  // MARK: The end

  /// - Parameter lingering: whether clients that are slow to read get time for what the guest has
  ///   sent before it ended.
  func finish(_ outcome: VirtualMachineOutcome, lingering: Bool) {
    if isEnding, lingering { return }
    let isFirst = !isEnding
    isEnding = true
    board?.stopProcessors()
    // What the guest has printed last may tell of a panic.
    if lingering {
      loop.clock.restart(nanoseconds: EventLoop.TurnClock.farewellNanoseconds)
      _ = flush(isLast: true)
    }
    if self.outcome == nil { self.outcome = outcome.after(faults.fault) }
    if isFirst { onEvent(.shutdown(self.outcome ?? outcome)) }
    guard lingering else { return conclude() }
    let now = MonotonicClock.now()
    linger(
      until: configuration.lingerLimit.map { now &+ Int64($0) &* 1_000_000_000 },
      progress: progress, since: now)
  }

  /// One bounded step at a time, so that a signal still ends it.
  ///
  /// - Parameters:
  ///   - deadline: the end of all patience; nil for none.
  ///   - before: how far the readers were at `time`, when they last took something.
  private func linger(until deadline: Int64?, progress before: Progress, since time: Int64) {
    let isLeft = flush()
    let (progress, now) = (self.progress, MonotonicClock.now())
    let lastTime = progress == before ? time : now
    let isStalled = now &- lastTime >= Int64(Self.stallMilliseconds) &* 1_000_000
    guard isLeft, !isStalled, deadline.map({ now < $0 }) ?? true else { return conclude() }
    loop.after(milliseconds: Self.lingerStepMilliseconds) { [weak self] in
      self?.linger(until: deadline, progress: progress, since: lastTime)
    }
  }

  /// Passes on what host ends take now, in long turns where others may not follow; returns whether they
  /// may take more.
  private func flush(isLast: Bool = false) -> Bool {
    [board?.hasUnsentBytes(isLast: isLast) == true, serial.flush(), emergencyOutput.flush()]
      .contains(true)
  }

  /// How far readers are. Bytes that leave this process count, and bytes that leave a pipe.
  private typealias Progress = [UInt64]

  private var progress: Progress {
    let ports = board?.progress ?? (taken: 0, unread: 0)
    return [ports.taken, UInt64(clamping: ports.unread)] + serial.progress
      + emergencyOutput.progress
  }

  private func conclude() {
    loop.clock.restart(nanoseconds: EventLoop.TurnClock.farewellNanoseconds)
    let isUntaken = serial.flush()
    if isUntaken { Log.warning("the rest of the serial console's output is lost") }
    let dropped = serial.droppedByteCount
    serial.giveUp()
    if dropped > 0 { Log.warning("\(dropped) bytes of the serial console were dropped") }
    let isEmergencyLost = emergencyOutput.conclude()
    removeBoard()
    if isUntaken || dropped > 0 || isEmergencyLost { hasLostOutput = true }
    if hasLostOutput, outcome == .poweredOff { outcome = .outputLost }
    loop.stop()
  }
}

/// Lets the serial console call a machine that is made after it.
private final class WeakMachine {
  weak var machine: Machine?
}
