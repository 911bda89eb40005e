/// How a virtio device shows itself to the guest (virtio 1.2, 4).
package enum VirtioTransport: Equatable, Sendable {
  /// A function on the PCI bus (4.1).
  case pci(PCIInterface)
  /// Registers in memory, announced through ACPI (4.2).
  case mmio
}

/// Which drivers a virtio-pci function is made for.
package enum PCIInterface: Equatable, Sendable {
  /// Those of virtio 1.0 and later only.
  case modern
  /// Those and the ones before (virtio 1.2, 4.1.2): it has both interfaces.
  case transitional
  /// Those before virtio 1.0 only.
  case legacy

  /// Whether the function has the capabilities and structures of virtio 1.0.
  package var hasModern: Bool { self != .legacy }
  /// Whether the function has the registers in I/O space from before virtio 1.0.
  package var hasLegacy: Bool { self != .modern }
}
