import CKVM
import Devices
import Host
import Synchronization

/// The machine's table of interrupt routes: the legacy pins, and one entry per MSI vector in use.
///
/// KVM takes only the whole table, so one object keeps it. Callable on any thread.
package final class InterruptRouter: MSIRouter {
  /// What a vector sends: a write of `data` to `address`.
  private typealias Message = (address: UInt64, data: UInt32)

  private struct State {
    /// GSIs given back, to be used again first.
    var free: [UInt32] = []
    /// The lowest GSI never handed out.
    var next: UInt32 = firstMSI
    var messages: [UInt32: Message] = [:]
  }

  /// Lower GSIs are the pins of the IOAPIC.
  private static let firstMSI: UInt32 = 24

  private let machine: KVMVirtualMachine
  private let end: UInt32
  private let state = Mutex(State())

  /// - Parameter machine: one with interrupt controllers in the kernel; its legacy routes stay.
  package init(machine: KVMVirtualMachine) {
    self.machine = machine
    let limit = max(0, machine.maximumRouteCount - Self.legacyRoutes.count)
    end = max(Self.firstMSI, UInt32(truncatingIfNeeded: limit))
  }

  /// A fresh route with a GSI of its own, or nil when the host has none left.
  package func makeRoute() -> (any MSIRoute)? {
    guard let eventFD = try? EventFD(), let gsi = takeGSI() else { return nil }
    let route = IRQFDRoute(router: self, gsi: gsi, eventFD: eventFD)
    return connect(eventFD, gsi: gsi, true) ? route : nil
  }

  /// Lets `eventFD` raise `gsi`, or no longer; false if the kernel refuses.
  private func connect(_ eventFD: EventFD, gsi: UInt32, _ isConnected: Bool) -> Bool {
    (try? machine.setIRQFD(eventFD, gsi: gsi, isAssigned: isConnected)) != nil
  }

  /// Sends one message without a route (KVM_SIGNAL_MSI), which takes longer.
  package func send(address: UInt64, data: UInt32) {
    // KVM refuses only what makes no sense as a message: nothing that a device could better.
    try? machine.signalMSI(address: address, data: data)
  }

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
    state.withLock { state in
      let previous = state.messages[gsi]
      state.messages[gsi] = (address, data)
      do throws(SystemError) {
        try machine.setRouting(Self.legacyRoutes + state.messages.map(Self.entry))
        return true
      } catch {
        state.messages[gsi] = previous
        return false
      }
    }
  }

  /// Takes a GSI back. Its entry leaves the kernel's table with the next change of another one.
  func release(gsi: UInt32, connectedTo eventFD: EventFD) {
    _ = connect(eventFD, gsi: gsi, false)
    state.withLock { state in
      state.messages[gsi] = nil
      state.free.append(gsi)
    }
  }
}

extension InterruptRouter {
  /// The routes of the PC's own interrupt pins, which every table must list: GSIs 0–15 reach the
  /// 8259s, 0–23 the IOAPIC.
  ///
  /// As on a PC, the timer's GSI 0 arrives at the IOAPIC's pin 2, which the ACPI tables tell (an
  /// interrupt source override); and the second 8259 sits on pin 2 of the first. KVM's own table
  /// of KVM_CREATE_IRQCHIP is one to one.
  static let legacyRoutes: [kvm_irq_routing_entry] =
    (0..<8).filter { $0 != 2 }.map { entry(gsi: $0, chip: KVM_IRQCHIP_PIC_MASTER, pin: $0) }
    + (8..<16).map { entry(gsi: $0, chip: KVM_IRQCHIP_PIC_SLAVE, pin: $0 - 8) }
    + (0..<24).filter { $0 != 2 }.map {
      entry(gsi: $0, chip: KVM_IRQCHIP_IOAPIC, pin: $0 == 0 ? 2 : $0)
    }

  private static func entry(gsi: UInt32, chip: Int32, pin: UInt32) -> kvm_irq_routing_entry {
    var entry = kvm_irq_routing_entry()
    entry.gsi = gsi
    entry.type = UInt32(KVM_IRQ_ROUTING_IRQCHIP)
    entry.u.irqchip.irqchip = UInt32(chip)
    entry.u.irqchip.pin = pin
    return entry
  }

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

/// The way from one MSI-X vector to the guest's processors: an eventfd that the kernel turns into the
/// vector's message. Gives its GSI back when it is released.
///
/// Callable on any thread.
final class IRQFDRoute: MSIRoute {
  private let router: InterruptRouter
  private let gsi: UInt32
  private let eventFD: EventFD
  /// Whether the kernel has the guest's last message. One that it refused has none in its place.
  private let isLive = Mutex(false)

  init(router: InterruptRouter, gsi: UInt32, eventFD: EventFD) {
    self.router = router
    self.gsi = gsi
    self.eventFD = eventFD
  }

  deinit {
    router.release(gsi: gsi, connectedTo: eventFD)
  }

  /// Binds the route to the message the guest programmed; later triggers send this one. A system call.
  func program(address: UInt64, data: UInt32) {
    isLive.withLock { $0 = router.setMessage(gsi: gsi, address: address, data: data) }
  }

  /// Sends the message, once, as programmed. No effect before `program`.
  func trigger() {
    guard isLive.withLock({ $0 }) else { return }
    eventFD.signal()
  }
}
