import Host
import KVM
import Synchronization
import Virtio

/// A virtio-pci function's notify addresses: each queue's first notification comes as an exit and
/// costs one, and binds an ioeventfd that carries all later ones past user space.
///
/// So a device with a thousand queues costs the descriptors of those that are used. `move` and
/// `ring` come from vCPU threads; binding and the notifications themselves happen on the loop's.
final class Doorbells: DoorbellBinder, @unchecked Sendable {
  private struct State {
    var base: UInt64?
    var bound: [Int: EventFD] = [:]
    /// Queues whose first ring is on its way to the loop: a guest that rings faster than the loop
    /// turns must not fill its inbox.
    var rung: Set<Int> = []
  }

  private let machine: KVMVirtualMachine
  private let remote: EventLoop.Remote
  private let state = Mutex(State())
  // The loop's thread only:
  private let loop: EventLoop
  private var tokens: [EventLoop.Token] = []
  /// Where notifications go; set once, before the guest runs.
  weak var device: (any VirtioDevice)?

  init(machine: KVMVirtualMachine, loop: EventLoop) {
    self.machine = machine
    self.loop = loop
    remote = loop.remote
  }

  func move(to base: UInt64?) {
    state.withLock { state in
      for (queue, eventFD) in state.bound {
        if let old = state.base {
          try? machine.deassignIOEventFD(eventFD, at: .mmio(old + offset(queue)))
        }
        // A failure leaves the queue to its exits, which work as well.
        if let base { try? machine.assignIOEventFD(eventFD, at: .mmio(base + offset(queue))) }
      }
      state.base = base
    }
  }

  func ring(queue: Int) {
    guard state.withLock({ $0.rung.insert(queue).inserted }) else { return }
    remote.post { [weak self] in
      guard let self else { return }
      _ = state.withLock { $0.rung.remove(queue) }
      bind(queue)
      device?.queueNotified(queue)
    }
  }

  /// Takes the descriptors out of the loop and of KVM; on the loop's thread.
  func close() {
    move(to: nil)
    for token in tokens { loop.remove(token) }
    tokens = []
    state.withLock { $0.bound = [:] }
  }

  private func bind(_ queue: Int) {
    guard state.withLock({ $0.base != nil && $0.bound[queue] == nil }),
      let eventFD = try? EventFD(),
      let token = try? loop.register(
        eventFD.rawValue, interest: .readable,
        handler: { [weak self] _ in
          eventFD.drain()
          self?.device?.queueNotified(queue)
        })
    else { return }
    tokens.append(token)
    state.withLock { state in
      state.bound[queue] = eventFD
      if let base = state.base { assign(eventFD, queue: queue, base: base) }
    }
  }

  /// A refusal, as where the guest put two BARs over each other, leaves the queue to its exits,
  /// which work as well.
  private func assign(_ eventFD: EventFD, queue: Int, base: UInt64) {
    try? machine.assignIOEventFD(eventFD, at: .mmio(base &+ offset(queue)))
  }

  private func offset(_ queue: Int) -> UInt64 {
    UInt64(queue) * VirtioPCIFunction.notifyMultiplier
  }
}
