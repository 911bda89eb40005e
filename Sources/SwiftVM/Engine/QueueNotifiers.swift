import Devices
import Host
import KVM
import Synchronization
import Virtio

/// The notify registers of one device: a queue's first two notifications come as exits; the second
/// binds an ioeventfd that carries all later ones past user space.
///
/// Not the first, since drivers notify each port's receive queue once, when they fill it, and KVM
/// takes milliseconds for an ioeventfd while the guest runs, and a thousand of them at most. So a
/// device with a thousand idle ports costs none, nor do queues of ports that are not there.
///
/// `place` and `notify` come from vCPU threads, which leave all else to the loop's: it alone binds and
/// unbinds, one after another between its other work. Until an ioeventfd is unbound it takes writes to
/// where the register was; these are made up for by carrying them out again.
final class QueueNotifiers: QueueNotifierBinding, @unchecked Sendable {
  /// One queue's notifications by one register.
  private struct Notifier: Hashable {
    let queue: Int
    let register: NotifyRegister
  }

  /// What KVM has of a notifier.
  private final class Binding {
    let eventFD: EventFD
    let address: UInt64
    /// Which placement of the registers it belongs to. It may outlive that, at the same address.
    var placement: UInt64
    var token: EventLoop.Token?

    init(_ eventFD: EventFD, at address: UInt64, placement: UInt64) {
      self.eventFD = eventFD
      self.address = address
      self.placement = placement
    }
  }

  private struct State {
    var addresses: [NotifyRegister: UInt64] = [:]
    /// Notifiers whose first notification is on its way to the loop: a guest that notifies faster than the loop
    /// turns must not fill its inbox.
    var posted: Set<Notifier> = []
    var isUnbindingPosted = false
  }

  private let remote: LoopHandle
  private let state = Mutex(State())
  /// How often the registers have been placed; changes with the addresses.
  private let placement = Atomic<UInt64>(0)
  // The loop's thread only. What KVM and the guest's accesses need ends with the board, and all
  // bindings with it.
  private weak var machine: KVMVirtualMachine?
  private weak var router: IOBus?
  private let loop: EventLoop
  private var bindings: [Notifier: Binding] = [:]
  private var usedBefore: Set<Notifier> = []
  /// What KVM did not take in a placement, as where the guest put two BARs over each other: it is left
  /// to its exits, which work as well.
  private var refused: [Notifier: UInt64] = [:]
  /// Where notifications go; set once, before the guest runs.
  weak var device: (any VirtioDevice)?

  init(machine: KVMVirtualMachine, router: IOBus, loop: EventLoop) {
    self.machine = machine
    self.router = router
    self.loop = loop
    remote = loop.remote
  }

  func place(_ register: NotifyRegister, at address: UInt64?) {
    state.withLock {
      $0.addresses[register] = address
      placement.add(1, ordering: .releasing)
    }
    postUnbinding()
  }

  func notify(queue: Int, through register: NotifyRegister) {
    let notifier = Notifier(queue: queue, register: register)
    guard state.withLock({ $0.posted.insert(notifier).inserted }) else { return }
    remote.post { [weak self] in
      guard let self else { return }
      _ = state.withLock { $0.posted.remove(notifier) }
      if !usedBefore.insert(notifier).inserted { bind(notifier) }
      device?.queueNotified(queue)
    }
  }

  // MARK: Bindings, on the loop's thread

  /// Lives until all is unbound, where the device itself is gone.
  private func postUnbinding() {
    let mustPost = state.withLock { state in
      defer { state.isUnbindingPosted = true }
      return !state.isUnbindingPosted
    }
    if mustPost { remote.post { self.unbindMoved() } }
  }

  /// Unbinds what is not where its register is now, for as long as there is time.
  private func unbindMoved() {
    let addresses = state.withLock { state in
      state.isUnbindingPosted = false
      return state.addresses
    }
    for (notifier, binding) in bindings where addresses[notifier.register] != binding.address {
      unbind(notifier, binding)
      guard loop.clock.hasTime() else { return postUnbinding() }
    }
  }

  private func unbind(_ notifier: Notifier, _ binding: Binding) {
    let target = Self.target(notifier, binding.address)
    try? machine?.setIOEventFD(
      binding.eventFD, at: target.address, value: target.value, isAssigned: false)
    if let token = binding.token { loop.remove(token) }
    bindings[notifier] = nil
    // The guest may have put the register back, and written to it, just before.
    take(notifier, binding)
  }

  private func bind(_ notifier: Notifier) {
    let (address, current) = state.withLock {
      ($0.addresses[notifier.register], placement.load(ordering: .relaxed))
    }
    guard let address, device?.serves(queue: notifier.queue) == true else { return }
    if let binding = bindings[notifier] {
      guard binding.address != address else { return binding.placement = current }
      unbind(notifier, binding)
    }
    guard refused[notifier] != current else { return }
    do throws(SystemError) {
      bindings[notifier] = try makeBinding(notifier, at: address, placement: current)
      refused[notifier] = nil
    } catch {
      refused[notifier] = current
    }
  }

  private func makeBinding(
    _ notifier: Notifier, at address: UInt64, placement: UInt64
  ) throws(SystemError) -> Binding {
    let binding = Binding(try EventFD(), at: address, placement: placement)
    let target = Self.target(notifier, address)
    try machine?.setIOEventFD(
      binding.eventFD, at: target.address, value: target.value, isAssigned: true)
    do throws(SystemError) {
      binding.token = try loop.register(
        binding.eventFD.rawValue, interest: .readable,
        handler: { [weak self, unowned binding] _ in self?.take(notifier, binding) })
    } catch {
      try? machine?.setIOEventFD(
        binding.eventFD, at: target.address, value: target.value, isAssigned: false)
      throw error
    }
    return binding
  }

  /// The guest has written to where the register was when the ioeventfd was bound. If that was another
  /// placement, the write may have been meant for what is there now, or be the first after a reset
  /// (see `VirtioPCIFunction.notify`): then it is carried out as if it had come as an exit.
  private func take(_ notifier: Notifier, _ binding: Binding) {
    guard binding.eventFD.drain() > 0 else { return }
    device?.queueNotified(notifier.queue)
    guard binding.placement != placement.load(ordering: .acquiring) else { return }
    let queue = UInt64(notifier.queue)
    switch Self.target(notifier, binding.address).address {
    case .port(let port): router?.ports.write(address: UInt64(port), width: 2, value: queue)
    case .mmio(let address):
      let width = notifier.register == .indexRegister ? 4 : 2
      router?.memory.write(address: address, width: width, value: queue)
    }
  }

  /// Which writes notify of the notifier's queue.
  private static func target(
    _ notifier: Notifier, _ address: UInt64
  ) -> (address: KVMVirtualMachine.NotifyAddress, value: KVMVirtualMachine.NotifyValue?) {
    let queue = UInt64(notifier.queue)
    return switch notifier.register {
    case .queueAddresses:
      (.mmio(address &+ queue &* VirtioPCIFunction.notifyMultiplier), nil)
    case .indexPort:
      (.port(UInt16(truncatingIfNeeded: address)), .init(queue, width: 2))
    case .indexRegister:
      (.mmio(address), .init(queue, width: 4))
    }
  }
}
