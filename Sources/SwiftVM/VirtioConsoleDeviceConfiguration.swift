/// One virtio-serial device: a PCI function that carries ports.
public struct VirtioConsoleDeviceConfiguration: Equatable, Sendable {
  /// What `maximumPortCount` may be: two queues a port, within what a PCI device has.
  public static let allowedMaximumPortCounts = 1...511

  /// The ports. The first console port gets port number 0; the other ports get the numbers from 1
  /// on, in this order. Number 0 stays reserved where no port is a console.
  public var ports: [VirtioConsolePortConfiguration]

  /// `max_nr_ports` of virtio 1.2, 5.3.4: port numbers are below it.
  public var maximumPortCount: Int

  /// Makes a device with these ports.
  public init(ports: [VirtioConsolePortConfiguration], maximumPortCount: Int = 31) {
    self.ports = ports
    self.maximumPortCount = maximumPortCount
  }
}
