import Devices

/// How a virtio device shows itself to the guest (virtio 1.2, 4).
public enum VirtioTransport: Equatable, Sendable {
  /// Which drivers a virtio-pci function is made for.
  public typealias PCIInterface = Virtio.PCIInterface

  /// A function on the PCI bus (4.1).
  case pci(PCIInterface)
  /// Registers in memory, announced through ACPI (4.2).
  case mmio
}

/// Which drivers a virtio-pci function is made for.
public enum PCIInterface: Equatable, Sendable {
  /// Those of virtio 1.0 and later only: Linux 4.0 and later, and every Windows driver of today.
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

extension VirtioPCIFunction {
  /// The platform a function is plugged into.
  package struct Platform {
    /// The space its memory BAR appears in.
    package var memorySpace: AddressSpace
    /// The space its I/O BAR appears in, if it has one.
    package var portSpace: AddressSpace
    /// Where its MSI-X routes come from.
    package var router: any MSIRouter
    /// Its INTx line.
    package var interruptLine: any InterruptLine
    /// Carries notifications away.
    package var notifiers: any QueueNotifierBinding
    /// Told of each fault of the guest's, with the lock held.
    package var onFault: @Sendable (QueueFault) -> Void

    package init(
      memorySpace: AddressSpace, portSpace: AddressSpace, router: any MSIRouter,
      interruptLine: any InterruptLine, notifiers: any QueueNotifierBinding,
      onFault: @escaping @Sendable (QueueFault) -> Void
    ) {
      self.memorySpace = memorySpace
      self.portSpace = portSpace
      self.router = router
      self.interruptLine = interruptLine
      self.notifiers = notifiers
      self.onFault = onFault
    }
  }

  /// What the user may choose of a function.
  package struct Options {
    /// Which drivers it is for.
    package var interface: PCIInterface
    /// Features that are not among these are not offered.
    package var allowedFeatures: Features
    /// How many MSI-X vectors there are, 0 to 2048; nil for one for each queue and one for
    /// configuration changes, as far as that goes. Drivers share vectors where they are few.
    package var vectorCount: Int?

    package init(
      interface: PCIInterface = .modern, allowedFeatures: Features = .all, vectorCount: Int? = nil
    ) {
      self.interface = interface
      self.allowedFeatures = allowedFeatures
      self.vectorCount = vectorCount
    }
  }
}
