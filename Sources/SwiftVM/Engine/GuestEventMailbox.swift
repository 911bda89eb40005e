import Devices
import Host
import KVM
import Synchronization

/// What the guest does as often as it likes, on its way to the loop: the latest of each kind waits, and
/// the first of what ends its life, so that a guest that is faster than the loop fills nothing. Callable
/// on any thread.
final class GuestEventMailbox: Sendable {
  private struct State {
    /// By the ports' ids, as bytes: open or not.
    var ports: [[UInt8]: (id: String, isOpen: Bool)] = [:]
    var panic: PVPanic.Event?
    var hasDriverCome = false
    /// A reset, the power switched off, or a value for the debug exit.
    var end: GuestEvent?
    var isPosted = false
  }

  private let state = Mutex(State())
  private let remote: LoopHandle
  private let tell: @Sendable (GuestEvent) -> Void

  /// - Parameter tell: called on the loop's thread.
  init(remote: LoopHandle, tell: @escaping @Sendable (GuestEvent) -> Void) {
    self.remote = remote
    self.tell = tell
  }

  /// The guest has opened or closed a port.
  func portChanged(id: String, isOpen: Bool) { add { $0.ports[Array(id.utf8)] = (id, isOpen) } }

  /// A driver has come to a device.
  func driverCame() { add { $0.hasDriverCome = true } }

  /// The guest has told of a panic, which counts for more than a crash kernel.
  func panicked(_ event: PVPanic.Event) {
    add { if $0.panic != .panicked { $0.panic = event } }
  }

  /// The guest has written to a register that ends its life. What it writes there later means nothing:
  /// by then it is to be gone.
  func ended(by event: GuestEvent) {
    add { if $0.end == nil { $0.end = event } }
  }

  private func add(_ change: (inout State) -> Void) {
    let mustPost = state.withLock { state in
      change(&state)
      defer { state.isPosted = true }
      return !state.isPosted
    }
    // What is on its way outlasts the guest: ports close with it.
    if mustPost { remote.post { self.deliver() } }
  }

  private func deliver() {
    let news = state.withLock { state in
      defer { state = State() }
      return state
    }
    for (id, isOpen) in news.ports.values { tell(.portChanged(id: id, isOpen: isOpen)) }
    if news.hasDriverCome { tell(.driverCame) }
    if let panic = news.panic { tell(.panic(panic)) }
    if let end = news.end { tell(end) }
  }
}

/// What a guest, or the host under it, does to the machine as a whole.
enum GuestEvent: Equatable, Sendable {
  case powerOff
  case reset
  case tripleFault
  case panic(PVPanic.Event)
  case debugExit(value: UInt32)
  case failure(VirtualMachineOutcome)
  /// The guest has taken the device in this slot off the bus.
  case ejected(slot: Int)
  /// The guest has opened or closed a port.
  case portChanged(id: String, isOpen: Bool)
  /// A driver has come to a virtio-serial device.
  case driverCame

  /// What the end of a vCPU's thread means; nil if it was told to end.
  init?(_ end: VCPUEnd) {
    switch end {
    case .stopped: return nil
    case .shutdown: self = .tripleFault
    case .systemEvent(1): self = .powerOff  // KVM_SYSTEM_EVENT_SHUTDOWN
    case .systemEvent(2): self = .reset  // KVM_SYSTEM_EVENT_RESET
    case .hostError(let error): self = .failure(.failed(error.description))
    case .halted, .internalError, .failEntry, .systemEvent, .unknownExit:
      self = .failure(.internalError(report: end.description))
    }
  }
}
