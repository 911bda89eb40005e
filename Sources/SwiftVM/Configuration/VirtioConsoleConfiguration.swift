import Virtio
import VirtioConsole

@_exported import enum Virtio.VirtioTransport
@_exported import struct VirtioConsole.PortPolicy
@_exported import enum VirtioConsole.ResizeOrder

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

/// One port of a virtio-serial device: what the guest sees, and what it is connected to.
public struct VirtioConsolePortConfiguration: Equatable, Sendable {
  /// The most bytes of a name: it becomes a file name in the guest (Linux's `NAME_MAX`).
  public static let maximumNameLength = 255

  /// What the port is called on the host, for `VirtualMachine.removePort` and in reports: a letter,
  /// then letters, digits, `-`, `.` and `_`.
  public var id: String?

  /// The port's number, which in a Linux guest is the second one in `/dev/vportNpNUMBER`; nil for one
  /// that is free. 0 is for a console.
  public var number: Int?

  /// The name the guest finds the port by: `/dev/virtio-ports/NAME`; nil for one that is known by
  /// its number alone.
  public var name: String?

  /// Whether the guest shall treat the port as a console (`/dev/hvcN`).
  public var isConsole: Bool

  /// The backend.
  public var attachment: SerialPortAttachment

  /// What becomes of bytes when one side is away.
  public var policy: VirtioConsolePortPolicy

  /// Makes a port of its name, its use and its backend.
  public init(
    id: String? = nil, number: Int? = nil, name: String?, isConsole: Bool = false,
    attachment: SerialPortAttachment, policy: VirtioConsolePortPolicy = VirtioConsolePortPolicy()
  ) {
    self.id = id
    self.number = number
    self.name = name
    self.isConsole = isConsole
    self.attachment = attachment
    self.policy = policy
  }
}

/// How a virtio-serial device shows itself to the guest.
public typealias VirtioConsoleTransport = VirtioTransport

/// Which optional virtio features a device offers. The guest's driver takes of them what it knows.
public struct VirtioConsoleFeatures: Equatable, Sendable {
  /// Queues may be packed rings (VIRTIO_F_RING_PACKED). Off unless asked for, as in other monitors:
  /// drivers have seen split rings for much longer.
  public var packedRing = false

  /// Each side says at which buffer it wants to be notified (VIRTIO_F_EVENT_IDX).
  public var eventIndex = true

  /// A descriptor may refer to a table of descriptors (VIRTIO_F_INDIRECT_DESC).
  public var indirectDescriptors = true

  /// The driver may reset single queues (VIRTIO_F_RING_RESET).
  public var queueReset = true

  /// More than port 0, with names, and news of opening and closing (VIRTIO_CONSOLE_F_MULTIPORT).
  public var multiport = true

  /// All features but packed rings.
  public init() {}
}

/// What becomes of bytes where one side of a port is not there or not listening.
public typealias VirtioConsolePortPolicy = PortPolicy

/// In which order a console's guest is told columns and rows.
public typealias VirtioConsoleResizeOrder = ResizeOrder

// The public values as the machine has them.

extension PortConfiguration {
  /// The port as the device knows it.
  init(_ port: VirtioConsolePortConfiguration) {
    self.init(
      // No port can have a number below 0, nor this one.
      number: port.number.map { UInt32(exactly: $0) ?? .max }, name: port.name ?? "",
      isConsole: port.isConsole, policy: port.policy)
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
