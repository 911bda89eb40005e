import Virtio

extension MachineConfiguration.ConsoleDevice {
  /// MSI-X vectors that a guest with one CPU surely has: Linux keeps some 200 on each CPU, for
  /// devices of all kinds.
  private static let vectorBudget = 160

  /// The devices, each with as many MSI-X vectors as it can have beside the others.
  ///
  /// A driver that is offered a vector for each queue takes them all, and once the guest's CPUs have
  /// no more to give, the devices after it get none and do not work. So several devices that would
  /// together want too many have two each (configuration, queues), as QEMU's; a device alone keeps
  /// its own, since its driver falls back by itself. What the user asked for stands.
  package static func sharingVectors(_ devices: [Self]) -> [Self] {
    let wanted = devices.map(\.wantedVectors)
    guard wanted.count(where: { $0 > 0 }) > 1, wanted.reduce(0, +) > vectorBudget else {
      return devices
    }
    return devices.map { device in
      guard case .pci = device.transport else { return device }
      var device = device
      device.vectorCount = device.vectorCount ?? 2
      return device
    }
  }

  private var wantedVectors: Int {
    guard case .pci = transport else { return 0 }
    // A queue each way for each port and for control (virtio 1.2, 5.3.2), and the configuration.
    return vectorCount ?? 2 * (maximumPorts + 1) + 1
  }
}
