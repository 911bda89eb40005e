/// One virtio-serial device, which carries ports.
public struct VirtioConsoleDeviceConfiguration: Equatable, Sendable {
  /// What `maximumPortCount` may be: two queues a port and two for the control channel, within the
  /// 65535 that a device may have.
  public static let allowedMaximumPortCounts = 1...32766

  /// What `vectorCount` may be (PCI 3.0, 6.8.2.3).
  public static let allowedVectorCounts = 0...2048

  /// What `slot` may be: the bus has 32, and the first is the host bridge's.
  public static let allowedSlots = 1...31

  /// What the device is called, for the command line's `bus=`, for `VirtualMachine.addPort` and in
  /// reports: a letter, then letters, digits, `-`, `.` and `_`.
  public var id: String?

  /// The ports. A console port without a number gets number 0 if it is the first and 0 is free;
  /// every other port without one gets the lowest from 1 on that no port asks for, in this order.
  /// Number 0 stays reserved where no port is a console.
  public var ports: [VirtioConsolePortConfiguration]

  /// `max_nr_ports` of virtio 1.2, 5.3.4: port numbers are below it.
  public var maximumPortCount: Int

  /// How the guest reaches the device.
  public var transport: VirtioConsoleTransport

  /// Which optional features are offered to the guest.
  public var features: VirtioConsoleFeatures

  /// How many MSI-X vectors the PCI function has; with 0 it has interrupt pins only. Nil for one for
  /// each queue and one more, as far as that goes. Nil where the transport is not PCI.
  public var vectorCount: Int?

  /// The slot of the PCI bus that it is in, 1 to 31; nil for the lowest that is free. Nil where the
  /// transport is not PCI.
  public var slot: Int?

  /// In which order a change of a console's size is told: Linux before 2025 has it the other way
  /// round.
  public var resizeOrder = VirtioConsoleResizeOrder.specification

  /// Makes a device with these ports.
  public init(
    id: String? = nil, ports: [VirtioConsolePortConfiguration], maximumPortCount: Int = 31,
    transport: VirtioConsoleTransport = .pci(.modern),
    features: VirtioConsoleFeatures = VirtioConsoleFeatures(), vectorCount: Int? = nil,
    slot: Int? = nil
  ) {
    self.id = id
    self.ports = ports
    self.maximumPortCount = maximumPortCount
    self.transport = transport
    self.features = features
    self.vectorCount = vectorCount
    self.slot = slot
  }
}

extension [VirtioConsoleDeviceConfiguration] {
  /// What ports call the devices by (`bus=`): their ids with `.0` after them; QEMU numbers those of
  /// devices without one.
  package var busNames: [String] {
    var unnamed = 0
    return map { device in
      if let id = device.id { return id + ".0" }
      defer { unnamed += 1 }
      return "virtio-serial-bus.\(unnamed)"
    }
  }
}
