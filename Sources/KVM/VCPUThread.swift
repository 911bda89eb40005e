import CKVM
import Devices
import Glibc
import Host

/// The thread that runs one vCPU, from `start` to its end.
///
/// Callable on any thread.
package final class VCPUThread: Sendable {
  private struct State: ~Copyable {
    var stopRequested = false
    var pauseRequested = false
    /// The pause is so short that the guest's watchdogs need no excuse.
    var isPauseBrief = false
    /// The thread has left the guest, and waits.
    var isParked = false
    /// The thread to signal, and its number; nil before it runs and once it has left the guest for
    /// good.
    var running: (thread: pthread_t, number: pid_t)?
    /// For `join`.
    var thread: Thread?
  }

  private let vcpu: VCPU
  private let bus: IOBus
  private let onEnd: @Sendable (VCPUEnd) -> Void
  private let state = Lock(State())

  /// - Parameters:
  ///   - vcpu: set up; only this thread runs it from now on.
  ///   - bus: the devices that answer its accesses.
  ///   - onEnd: called once, on the vCPU's thread, as its last act.
  package init(
    vcpu: VCPU, bus: IOBus, onEnd: @escaping @Sendable (VCPUEnd) -> Void
  ) {
    self.vcpu = vcpu
    self.bus = bus
    self.onEnd = onEnd
  }

  /// Starts the thread. To be called once.
  package func start() throws(SystemError) {
    try Self.installKickHandler.get()
    let thread = try Thread(name: "vcpu\(vcpu.id)") { self.main() }
    // A closure cannot consume what it captures: hand the thread over through an optional.
    var handover: Thread? = consume thread
    state.withLock { $0.thread = handover.take() }
  }

  /// Makes the vCPU leave the guest, finish any access it is in the middle of, and end with
  /// `.stopped`. Does not wait. No effect on a thread that has ended.
  package func requestStop() {
    state.withLock { state in
      state.stopRequested = true
      kick(state)
    }
  }

  /// Makes the vCPU leave the guest, finish any access it is in the middle of, and wait for
  /// `resume`. Does not wait. A thread that has not been started does not enter the guest then.
  ///
  /// - Parameter briefly: for a look at the processor's state, without an excuse to the guest's
  ///   watchdogs.
  package func requestPause(briefly: Bool = false) {
    state.withLock { state in
      state.isPauseBrief = briefly && (state.isPauseBrief || !state.pauseRequested)
      state.pauseRequested = true
      kick(state)
    }
  }

  /// Waits until a thread that was asked to pause, or to stop, has left the guest. Not for the
  /// vCPU's own thread.
  package func waitUntilPaused() {
    state.wait { $0.isParked || $0.running == nil }
  }

  /// Whether the processor has halted with interrupts off, or waits to be started; false unless it is
  /// paused.
  package var isHaltedForGood: Bool {
    state.withLock { $0.isParked && vcpu.isHaltedForGood }
  }

  /// Withdraws a request to pause: the guest runs on.
  package func resume() { state.withLock { $0.pauseRequested = false } }

  /// First the request, then the signal: a thread about to enter the guest sees the request, and the
  /// signal brings out a thread that is in the guest.
  private func kick(_ state: borrowing State) {
    vcpu.requestExit()
    if let running = state.running { pthread_kill(running.thread, Self.kickSignal) }
  }

  /// Waits until the thread is gone; `onEnd` has returned by then. Not for the vCPU's own thread.
  package func join() {
    let thread = state.withLock { $0.thread.take() }
    if let thread { thread.join() }
  }

  /// The thread's number (gettid(2)); nil before it runs the guest and afterwards.
  package var number: pid_t? { state.withLock { $0.running?.number } }

  private func main() {
    Self.unblockKick()
    state.withLock { $0.running = (pthread_self(), gettid()) }
    let end = run()
    state.withLock { $0.running = nil }
    onEnd(end)
  }

  /// An access in progress is over only when the vCPU is entered once more. So requests are examined
  /// only after `.interrupted`, which a pending request makes the next entry return.
  private func run() -> VCPUEnd {
    while true {
      switch vcpu.run(bus) {
      case .handled: continue
      case .interrupted: if mustStop() { return .stopped }
      case .ended(let end): return end
      }
    }
  }

  /// Waits while a pause is asked for; returns whether the thread is to end.
  private func mustStop() -> Bool {
    var mustExcuse = false
    while park() {
      state.wait { $0.stopRequested || !$0.pauseRequested }
      mustExcuse = mustExcuse || !state.withLock { $0.isPauseBrief }
    }
    if mustExcuse { vcpu.excusePause() }
    return state.withLock { $0.stopRequested }
  }

  /// Returns whether there is to be a pause now; if there is none, the guest may be entered again.
  private func park() -> Bool {
    state.withLock { state in
      state.isParked = state.pauseRequested && !state.stopRequested
      if !state.isParked, !state.stopRequested { vcpu.withdrawExitRequest() }
      return state.isParked
    }
  }
}

extension VCPUThread {
  private static let kickSignal = __libc_current_sigrtmin()

  /// The signal needs a handler that does nothing: its one effect is EINTR from KVM_RUN.
  private static let installKickHandler: Result<Void, SystemError> = {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in }
    sigemptyset(&action.sa_mask)
    action.sa_flags = 0
    guard sigaction(kickSignal, &action, nil) == 0 else {
      return .failure(SystemError("sigaction", errno: errno))
    }
    return .success(())
  }()

  /// The thread inherits its creator's mask, which may block everything.
  private static func unblockKick() {
    var set = sigset_t([kickSignal])
    pthread_sigmask(SIG_UNBLOCK, &set, nil)
  }
}
