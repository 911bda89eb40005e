import Devices
import Host
import KVM
import Synchronization

/// What a guest, or the host under it, does to the machine as a whole.
enum GuestEvent: Sendable {
  case powerOff
  case reset
  case tripleFault
  case panic(PVPanic.Event)
  case debugExit(value: UInt32)
  case failure(VirtualMachineOutcome)
  /// The guest has taken the device in this slot off the bus.
  case ejected(slot: Int)
  case portChanged(MachinePort, isOpen: Bool)
  /// A driver has started a console device, or made a port of it ready.
  case driverCame

  /// What the end of a vCPU's thread means; nil if the thread was told to end.
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

/// The events of one life of the guest on their way to the I/O thread. Callable on any thread.
///
/// A guest may cause them faster than the loop turns. So the mailbox keeps the latest event of each kind
/// and port, and the first one that ends the guest's life.
final class GuestEventMailbox: Sendable {
  private struct State {
    var ports: [ObjectIdentifier: (port: MachinePort, isOpen: Bool)] = [:]
    var hasDriverCome = false
    var panic: PVPanic.Event?
    var ejectedSlots: Set<Int> = []
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

  func portChanged(_ port: MachinePort, isOpen: Bool) {
    add { $0.ports[ObjectIdentifier(port)] = (port, isOpen) }
  }

  func driverCame() { add { $0.hasDriverCome = true } }

  /// A panic counts for more than the start of a crash kernel.
  func panicked(_ event: PVPanic.Event) {
    add { if $0.panic != .panicked { $0.panic = event } }
  }

  func ejected(slot: Int) { add { $0.ejectedSlots.insert(slot) } }

  /// The guest's life is to end. Further ends have no effect: by then the guest is to be gone.
  func ended(by event: GuestEvent) {
    add { if $0.end == nil { $0.end = event } }
  }

  private func add(_ change: (inout State) -> Void) {
    let mustPost = state.withLock { state in
      change(&state)
      defer { state.isPosted = true }
      return !state.isPosted
    }
    // The post keeps the mailbox, since ports close as the guest goes.
    if mustPost { remote.post { self.deliver() } }
  }

  private func deliver() {
    let events = state.withLock { state in
      defer { state = State() }
      return state
    }
    for (port, isOpen) in events.ports.values { tell(.portChanged(port, isOpen: isOpen)) }
    if events.hasDriverCome { tell(.driverCame) }
    if let panic = events.panic { tell(.panic(panic)) }
    for slot in events.ejectedSlots { tell(.ejected(slot: slot)) }
    if let end = events.end { tell(end) }
  }
}
