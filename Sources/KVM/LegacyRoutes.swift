import CKVM

/// The routes of the PC's own interrupt pins, which every table of routes must list.
enum LegacyRoutes {
  /// GSIs 0–15 reach the 8259s, 0–23 the IOAPIC.
  ///
  /// As on a PC, the timer's GSI 0 arrives at the IOAPIC's pin 2, which the ACPI tables tell (an
  /// interrupt source override); and the second 8259 sits on pin 2 of the first. KVM's own table
  /// of KVM_CREATE_IRQCHIP is one to one.
  static let entries: [kvm_irq_routing_entry] =
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
}
