/// What one virtio-serial device is doing.
public struct VirtioConsoleDeviceReport: Equatable, Sendable {
  /// The device's id, or `virtio-serial` and its place among the devices, from 0 on.
  public var label: String

  /// Its ports, by ascending number.
  public var ports: [VirtioConsolePortReport]

  /// Makes a report of its parts.
  public init(label: String, ports: [VirtioConsolePortReport]) {
    self.label = label
    self.ports = ports
  }
}

extension VirtioConsoleDeviceConfiguration {
  /// What the device is called in reports.
  func label(index: Int) -> String { id ?? "virtio-serial\(index)" }
}
