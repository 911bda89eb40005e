import Virtio
import VirtioConsole

// The public values as the machine has them.

extension PortConfiguration {
  /// The port as the device knows it.
  init(_ port: VirtioConsolePortConfiguration) {
    self.init(
      id: port.id ?? "",
      // No port can have a number below 0, nor this one.
      number: port.number.map { UInt32(exactly: $0) ?? .max }, name: port.name ?? "",
      isConsole: port.isConsole, policy: port.policy)
  }
}

extension VirtioTransport {
  init(_ transport: VirtioConsoleTransport) {
    self =
      switch transport {
      case .pci(.modern): .pci(.modern)
      case .pci(.transitional): .pci(.transitional)
      case .pci(.legacy): .pci(.legacy)
      case .mmio: .mmio
      }
  }
}

extension Features {
  /// What may be offered.
  init(_ features: VirtioConsoleFeatures) {
    self = .all
    for (isOffered, feature) in [
      (features.packedRing, .packedRing), (features.eventIndex, .eventIndex),
      (features.indirectDescriptors, .indirectDescriptors),
      (features.queueReset, .ringReset),
      (features.multiport, ConsoleDevice.multiportFeature),
    ] where !isOffered {
      remove(feature)
    }
  }
}
