/// How a virtio-serial device shows itself to the guest (virtio 1.2, 4).
public enum VirtioConsoleTransport: Equatable, Sendable {
  /// Which drivers a PCI function is made for.
  public enum PCIInterface: Equatable, Sendable {
    /// Those of virtio 1.0 and later: Linux 4.0 and later, and every Windows driver of today.
    case modern
    /// Those and the ones before.
    case transitional
    /// Those before virtio 1.0 only.
    case legacy
  }

  /// A function on the PCI bus.
  case pci(PCIInterface)

  /// Registers in memory, announced through ACPI.
  case mmio
}
