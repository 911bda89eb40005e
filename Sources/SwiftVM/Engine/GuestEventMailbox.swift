import Devices
import Host
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
    var end: BoardEvent?
    var isPosted = false
  }

  private let state = Mutex(State())
  private let remote: LoopHandle
  private let tell: @Sendable (BoardEvent) -> Void

  /// - Parameter tell: called on the loop's thread.
  init(remote: LoopHandle, tell: @escaping @Sendable (BoardEvent) -> Void) {
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
  func ended(by event: BoardEvent) {
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
