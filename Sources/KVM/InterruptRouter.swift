import CKVM
import Host
import Synchronization

/// The machine's table of interrupt routes: the legacy pins, and one entry per MSI vector in use.
///
/// KVM takes the table only whole, so one object keeps it. Callable on any thread.
package final class InterruptRouter: Sendable {
  /// The message a vector sends: a write of `data` to `address`.
  private struct Message: Equatable {
    let address: UInt64
    let data: UInt32
  }

  private struct State {
    /// GSIs given back, to be used again first.
    var free: [UInt32] = []
    /// The lowest GSI never handed out.
    var next: UInt32 = firstMSI
    var messages: [UInt32: Message] = [:]
  }

  /// The GSIs below are the pins of the IOAPIC.
  private static let firstMSI: UInt32 = 24

  private let machine: KVMVirtualMachine
  private let end: UInt32
  private let legacy: [kvm_irq_routing_entry]
  private let state = Mutex(State())
  private let refusals = Atomic<UInt64>(0)

  /// - Parameter machine: one with interrupt controllers in the kernel; its legacy routes stay.
  package init(machine: KVMVirtualMachine) {
    self.machine = machine
    legacy = LegacyRoutes.entries
    let limit = max(0, machine.maximumRouteCount - legacy.count)
    end = max(Self.firstMSI, UInt32(truncatingIfNeeded: limit))
  }

  /// A fresh route with a GSI of its own, or nil when the host has none left.
  package func makeRoute() -> IRQFDRoute? {
    guard let eventFD = try? EventFD(), let gsi = takeGSI() else { return nil }
    return IRQFDRoute(router: self, gsi: gsi, eventFD: eventFD)
  }

  /// How many messages the kernel refused because the guest's values made no sense to it.
  package var refusedMessageCount: UInt64 { refusals.load(ordering: .relaxed) }

  private func takeGSI() -> UInt32? {
    state.withLock { state in
      if let gsi = state.free.popLast() { return gsi }
      guard state.next < end else { return nil }
      defer { state.next += 1 }
      return state.next
    }
  }

  /// Makes `gsi` send this message; false if the kernel refused, which leaves the route as it was.
  func setMessage(gsi: UInt32, address: UInt64, data: UInt32) -> Bool {
    let message = Message(address: address, data: data)
    return state.withLock { state in
      let previous = state.messages[gsi]
      if previous == message { return true }
      state.messages[gsi] = message
      do throws(SystemError) {
        try machine.setRouting(legacy + state.messages.map(Self.entry))
        return true
      } catch {
        state.messages[gsi] = previous
        refusals.add(1, ordering: .relaxed)
        return false
      }
    }
  }

  /// Lets `eventFD` raise `gsi`, whose route is set.
  func connect(_ eventFD: EventFD, gsi: UInt32) -> Bool {
    do throws(SystemError) {
      try machine.assignIRQFD(eventFD, gsi: gsi)
      return true
    } catch {
      refusals.add(1, ordering: .relaxed)
      return false
    }
  }

  /// Takes a GSI back. Its entry leaves the kernel's table with the next change of another one.
  func release(gsi: UInt32, connected eventFD: EventFD?) {
    if let eventFD { try? machine.deassignIRQFD(eventFD, gsi: gsi) }
    state.withLock { state in
      state.messages[gsi] = nil
      state.free.append(gsi)
    }
  }
}

extension InterruptRouter {
  private static func entry(gsi: UInt32, message: Message) -> kvm_irq_routing_entry {
    var entry = kvm_irq_routing_entry()
    entry.gsi = gsi
    entry.type = UInt32(KVM_IRQ_ROUTING_MSI)
    entry.u.msi.address_lo = UInt32(truncatingIfNeeded: message.address)
    entry.u.msi.address_hi = UInt32(truncatingIfNeeded: message.address >> 32)
    entry.u.msi.data = message.data
    return entry
  }
}
