import SwiftVM

extension RunRequest {
  /// A virtio-serial device as asked for, its ports apart.
  package struct Device: Equatable, Sendable {
    /// The device but for its ports and its room.
    package var configuration: VirtioConsoleDeviceConfiguration
    /// Its room; nil for as much as its ports need, and QEMU's 31 at least.
    package var maximumPortCount: Int?

    package init(configuration: VirtioConsoleDeviceConfiguration, maximumPortCount: Int? = nil) {
      self.configuration = configuration
      self.maximumPortCount = maximumPortCount
    }

    /// The device with these ports.
    fileprivate func with(
      _ ports: [VirtioConsolePortConfiguration]
    ) -> VirtioConsoleDeviceConfiguration {
      var device = configuration
      device.ports = ports
      let highest = ports.lazy.compactMap(\.number).max() ?? 0
      let needed = max(31, ports.count + 1, highest.addingReportingOverflow(1).partialValue)
      let limit = VirtioConsoleDeviceConfiguration.allowedMaximumPortCounts.upperBound
      device.maximumPortCount = maximumPortCount ?? min(needed, limit)
      return device
    }
  }

  /// A port as asked for, and the device it goes to.
  package struct Port: Equatable, Sendable {
    /// The device's id with `.0` after it, as QEMU calls the device's only bus; nil for the first.
    package var bus: String?
    /// The port.
    package var configuration: VirtioConsolePortConfiguration

    package init(bus: String? = nil, configuration: VirtioConsolePortConfiguration) {
      self.bus = bus
      self.configuration = configuration
    }
  }

  /// The devices asked for, or one where there are only ports, with the ports of each.
  var consoleDevices: [VirtioConsoleDeviceConfiguration] {
    get throws(ConfigurationError) {
      var devices = devices
      if devices.isEmpty, !ports.isEmpty {
        devices = [Device(configuration: VirtioConsoleDeviceConfiguration(ports: []))]
      }
      var portsOfDevices = devices.map { _ in [VirtioConsolePortConfiguration]() }
      for port in ports {
        portsOfDevices[try index(ofBusOf: port, among: devices)].append(port.configuration)
      }
      return zip(devices, portsOfDevices).map { $0.with($1) }
    }
  }

  private func index(
    ofBusOf port: Port, among devices: [Device]
  ) throws(ConfigurationError) -> Int {
    guard let bus = port.bus else { return 0 }
    // QEMU numbers the buses of devices without an id.
    var unnamed = 0
    let buses = devices.map { device in
      if let id = device.configuration.id { return id + ".0" }
      defer { unnamed += 1 }
      return "virtio-serial-bus.\(unnamed)"
    }
    if let index = buses.firstIndex(of: bus) { return index }
    let option = port.configuration.isConsole ? OptionName.virtconsole : OptionName.virtserialport
    throw ConfigurationError(
      option: option, value: "bus=" + bus, problem: "Bus '\(PlainText.shortened(bus))' not found",
      remedy: Suggestion.to(bus, among: buses).map { "did you mean bus=\($0)?" }
        ?? "give the id of a --virtio-serial with .0 after it, e.g. bus=vs0.0")
  }
}
