import Chardev
import Glibc
import Host
import KVM
import Machine

/// A virtual machine: made from a configuration, run once to its end.
///
/// ```swift
/// let machine = try VirtualMachine(configuration)
/// let outcome = machine.run()
/// ```
///
/// Made and run on one thread, which becomes the machine's I/O thread while it runs.
public final class VirtualMachine {
  private let machine: Machine
  private let usesTerminal: Bool
  private let signals: SignalSource
  private var terminal: Terminal?

  /// Opens everything the configuration names: `/dev/kvm`, the kernel, the initrd, last of all the
  /// sockets, which listen from now on. Throws what the user has to change, having created nothing.
  /// Raises the process's limit of open descriptors (`RLIMIT_NOFILE`) where the ports need it.
  public convenience init(_ configuration: VirtualMachineConfiguration) throws(ConfigurationError) {
    try self.init(configuration, timings: Timings(), endingOn: [])
  }

  /// The same, with milestones told to `timings`, and ended early by any of the given signals, which
  /// are blocked in this thread from now on: one that comes before `run` must not leave sockets.
  package init(
    _ configuration: VirtualMachineConfiguration, timings: Timings, endingOn signals: [Int32]
  ) throws(ConfigurationError) {
    try configuration.validate()
    SignalSource.ignoreBrokenPipe()
    let opener = ConfigurationOpener(configuration)
    let hypervisor = try opener.openHypervisor()
    try DescriptorNeed.secure(configuration)
    timings.mark("/dev/kvm opened")
    let loop: EventLoop
    do throws(SystemError) {
      loop = try EventLoop()
      self.signals = try SignalSource(signals + [SIGCONT])
    } catch {
      throw ConfigurationError(
        option: "", problem: "the host refuses an event loop: \(error)", remedy: "")
    }
    let stop = StopRequest()
    let resolved = try opener.open(hypervisor, whenEnded: { stop.perform() })
    timings.mark("files and sockets opened")
    machine = Machine(resolved, hypervisor: hypervisor, loop: loop, timings: timings)
    usesTerminal = configuration.hasConsoleOnStandardIO && Terminal.isTerminal(STDIN_FILENO)
    stop.machine = machine
  }

  /// Boots the guest, and returns when the machine has ended. To be called once. A terminal used as
  /// the console is raw meanwhile.
  public func run() -> VirtualMachineOutcome {
    do throws(SystemError) {
      if usesTerminal { terminal = try Terminal(rawModeOn: STDIN_FILENO) }
      defer { terminal = nil }
      try signals.start(on: machine.loop) { [unowned self] in handle($0) }
      defer { signals.stop() }
      return VirtualMachineOutcome(machine.run())
    } catch {
      return .hostFailure(error.description)
    }
  }

  /// A shell changes the terminal's mode while the process is stopped.
  private func handle(_ signal: Int32) {
    guard signal == SIGCONT else { return machine.end(.stopped(signal: signal)) }
    terminal?.reapply()
  }
}

extension VirtualMachineConfiguration {
  /// Whether a person may be typing to the guest.
  fileprivate var hasConsoleOnStandardIO: Bool {
    serialPort.attachment == .standardIO
      || consoleDevices.contains { device in
        device.ports.contains { $0.isConsole && $0.attachment == .standardIO }
      }
  }
}

/// Lets the console's escape key reach a machine that is made after the console.
private final class StopRequest {
  weak var machine: Machine?

  func perform() { machine?.end(.endedFromConsole) }
}

extension VirtualMachineOutcome {
  init(_ outcome: MachineOutcome) {
    self =
      switch outcome {
      case .poweredOff: .poweredOff
      case .reset: .reset
      case .tripleFault: .tripleFault
      case .internalError(let report): .internalError(report: report)
      case .hostFailure(let text): .hostFailure(text)
      case .endedFromConsole: .stoppedByUser
      case .stopped(let signal): .stopped(signal: signal)
      }
  }
}
