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
/// `place` and `ring` come from vCPU threads, which leave all else to the loop's: it alone binds and
/// unbinds, one after another between its other work. Until an ioeventfd is unbound it takes writes to
/// where the register was; these are made up for by carrying them out again.
final class QueueNotifiers: QueueNotifierBinding, @unchecked Sendable {
  /// One queue's notifications by one register.
  private struct Notifier: Hashable {
    let queue: Int
    let register: NotifyRegister
  }

  /// What KVM has of a bell.
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
    /// Bells whose first ring is on its way to the loop: a guest that rings faster than the loop
    /// turns must not fill its inbox.
    var rung: Set<Notifier> = []
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
  private var rungBefore: Set<Notifier> = []
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

  func ring(queue: Int, through register: NotifyRegister) {
    let bell = Notifier(queue: queue, register: register)
    guard state.withLock({ $0.rung.insert(bell).inserted }) else { return }
    remote.post { [weak self] in
      guard let self else { return }
      _ = state.withLock { $0.rung.remove(bell) }
      if !rungBefore.insert(bell).inserted { bind(bell) }
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
    for (bell, binding) in bindings where addresses[bell.register] != binding.address {
      unbind(bell, binding)
      guard loop.clock.hasTime() else { return postUnbinding() }
    }
  }

  private func unbind(_ bell: Notifier, _ binding: Binding) {
    let target = Self.target(bell, binding.address)
    try? machine?.deassignIOEventFD(binding.eventFD, at: target.address, value: target.value)
    if let token = binding.token { loop.remove(token) }
    bindings[bell] = nil
  }

  private func bind(_ bell: Notifier) {
    let (address, current) = state.withLock {
      ($0.addresses[bell.register], placement.load(ordering: .relaxed))
    }
    guard let address, device?.serves(queue: bell.queue) == true else { return }
    if let binding = bindings[bell] {
      guard binding.address != address else { return binding.placement = current }
      unbind(bell, binding)
    }
    guard refused[bell] != current else { return }
    do throws(SystemError) {
      bindings[bell] = try makeBinding(bell, at: address, placement: current)
      refused[bell] = nil
    } catch {
      refused[bell] = current
    }
  }

  private func makeBinding(
    _ bell: Notifier, at address: UInt64, placement: UInt64
  ) throws(SystemError) -> Binding {
    let binding = Binding(try EventFD(), at: address, placement: placement)
    let target = Self.target(bell, address)
    try machine?.assignIOEventFD(binding.eventFD, at: target.address, value: target.value)
    do throws(SystemError) {
      binding.token = try loop.register(
        binding.eventFD.rawValue, interest: .readable,
        handler: { [weak self, unowned binding] _ in self?.take(bell, binding) })
    } catch {
      try? machine?.deassignIOEventFD(binding.eventFD, at: target.address, value: target.value)
      throw error
    }
    return binding
  }

  /// The guest has written to where the register was when the ioeventfd was bound. If that was another
  /// placement, the write may have been meant for what is there now, or be the first after a reset
  /// (see `VirtioPCIFunction.notify`): then it is carried out as if it had come as an exit.
  private func take(_ bell: Notifier, _ binding: Binding) {
    binding.eventFD.drain()
    device?.queueNotified(bell.queue)
    guard binding.placement != placement.load(ordering: .acquiring) else { return }
    let queue = UInt32(truncatingIfNeeded: bell.queue)
    switch Self.target(bell, binding.address).address {
    case .port(let port): router?.portWrite(port: port, width: 2, value: queue)
    case .mmio(let address):
      let width = bell.register == .indexRegister ? 4 : 2
      router?.mmioWrite(address: address, width: width, value: UInt64(queue))
    }
  }

  /// Which writes notify of the bell's queue.
  private static func target(
    _ bell: Notifier, _ address: UInt64
  ) -> (address: KVMVirtualMachine.NotifyAddress, value: KVMVirtualMachine.NotifyValue?) {
    let queue = UInt64(bell.queue)
    return switch bell.register {
    case .queueAddresses:
      (.mmio(address &+ queue &* VirtioPCIFunction.notifyMultiplier), nil)
    case .indexPort:
      (.port(UInt16(truncatingIfNeeded: address)), .init(queue, width: 2))
    case .indexRegister:
      (.mmio(address), .init(queue, width: 4))
    }
  }
}
