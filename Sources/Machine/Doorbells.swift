import Host
import KVM
import Synchronization
import Virtio

/// The notify registers of one device: a queue's first two notifications come as exits; the second
/// binds an ioeventfd that carries all later ones past user space.
///
/// Not the first, since drivers notify each port's receive queue once, when they fill it, and KVM
/// takes milliseconds for an ioeventfd while the guest runs, and a thousand of them at most. So a
/// device with a thousand idle ports costs none, nor do queues of ports that are not there. `place`
/// and `ring` come from vCPU threads; binding and the notifications themselves happen on the loop's.
final class Doorbells: DoorbellBinder, @unchecked Sendable {
  /// One queue's notifications by one register.
  private struct Bell: Hashable {
    let queue: Int
    let register: NotifyRegister
  }

  /// A queue's descriptor, and its place in the loop.
  private struct Listener {
    let eventFD: EventFD
    let token: EventLoop.Token
  }

  private struct State {
    var addresses: [NotifyRegister: UInt64] = [:]
    /// What KVM has.
    var bound: [Bell: EventFD] = [:]
    /// What KVM does not take, as where the guest put two BARs over each other: it is left to its
    /// exits, which work as well.
    var refused: Set<Bell> = []
    /// Bells whose first ring is on its way to the loop: a guest that rings faster than the loop
    /// turns must not fill its inbox.
    var rung: Set<Bell> = []
  }

  private let machine: KVMVirtualMachine
  private let remote: EventLoop.Remote
  private let state = Mutex(State())
  // The loop's thread only:
  private let loop: EventLoop
  private var listeners: [Int: Listener] = [:]
  private var rungBefore: Set<Bell> = []
  /// Where notifications go; set once, before the guest runs.
  weak var device: (any VirtioDevice)?

  init(machine: KVMVirtualMachine, loop: EventLoop) {
    self.machine = machine
    self.loop = loop
    remote = loop.remote
  }

  func place(_ register: NotifyRegister, at address: UInt64?) {
    state.withLock { state in
      if let old = state.addresses[register] {
        for (bell, eventFD) in state.bound where bell.register == register {
          let target = Self.target(bell, old)
          try? machine.deassignIOEventFD(eventFD, at: target.address, value: target.value)
        }
      }
      state.bound = state.bound.filter { $0.key.register != register }
      state.refused = state.refused.filter { $0.register != register }
      state.addresses[register] = address
    }
  }

  func ring(queue: Int, through register: NotifyRegister) {
    let bell = Bell(queue: queue, register: register)
    guard state.withLock({ $0.rung.insert(bell).inserted }) else { return }
    remote.post { [weak self] in
      guard let self else { return }
      _ = state.withLock { $0.rung.remove(bell) }
      if !rungBefore.insert(bell).inserted { bind(bell) }
      device?.queueNotified(queue)
    }
  }

  /// Takes the descriptors out of the loop and of KVM; on the loop's thread.
  func close() {
    for register in NotifyRegister.allCases { place(register, at: nil) }
    for listener in listeners.values { loop.remove(listener.token) }
    listeners = [:]
  }

  private func bind(_ bell: Bell) {
    let isWanted = state.withLock {
      $0.addresses[bell.register] != nil && $0.bound[bell] == nil && !$0.refused.contains(bell)
    }
    guard isWanted, device?.serves(queue: bell.queue) == true else { return }
    let listener = listener(ofQueue: bell.queue)
    let isBound = state.withLock { state in
      guard let address = state.addresses[bell.register] else { return true }
      let target = Self.target(bell, address)
      guard let eventFD = listener?.eventFD,
        (try? machine.assignIOEventFD(eventFD, at: target.address, value: target.value)) != nil
      else {
        state.refused.insert(bell)
        return false
      }
      state.bound[bell] = eventFD
      return true
    }
    if !isBound { dropListener(ofQueue: bell.queue) }
  }

  /// Gives the queue's descriptor back, unless KVM has it for another register.
  private func dropListener(ofQueue queue: Int) {
    guard let listener = listeners[queue],
      !state.withLock({ $0.bound.keys.contains { $0.queue == queue } })
    else { return }
    loop.remove(listener.token)
    listeners[queue] = nil
  }

  /// The queue's descriptor, registered with the loop; nil where the host has none left.
  private func listener(ofQueue queue: Int) -> Listener? {
    if let listener = listeners[queue] { return listener }
    guard let eventFD = try? EventFD(),
      let token = try? loop.register(
        eventFD.rawValue, interest: .readable,
        handler: { [weak self] _ in
          eventFD.drain()
          self?.device?.queueNotified(queue)
        })
    else { return nil }
    let listener = Listener(eventFD: eventFD, token: token)
    listeners[queue] = listener
    return listener
  }

  /// Which writes notify of the bell's queue.
  private static func target(
    _ bell: Bell, _ address: UInt64
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
