import Chardev
import Host
import Virtio
import VirtioConsole

/// Opens what ports and serial lines lead to on the host, and turns each refusal into an error that
/// names the property.
struct HostEndOpener {
  /// Called when the user types the key that ends the machine.
  let whenEnded: () -> Void
  /// Host ends with an id, which are opened once.
  let registry = ChardevRegistry()
  /// How long others are waited for: at the start, and then at each opening while the machine runs.
  let patience: OpeningPatience
  var isMachineRunning = false

  init(patience: OpeningPatience, whenEnded: @escaping () -> Void) {
    self.patience = patience
    self.whenEnded = whenEnded
  }

  /// A device with its ports' host ends, every port numbered.
  func open(
    _ device: VirtioConsoleDeviceConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) -> MachineConfiguration.ConsoleDevice {
    let numbers = try device.portNumbers
    var ports: [MachineConfiguration.Port] = []
    for (index, port) in device.ports.enumerated() {
      var numbered = port
      numbered.number = numbers[index]
      let chardev = try openPort(port, at: path.port(index, isConsole: port.isConsole))
      ports.append((PortConfiguration(numbered), chardev))
    }
    var machineDevice = MachineConfiguration.ConsoleDevice(
      id: device.id ?? "", ports: ports, maximumPorts: device.maximumPortCount,
      transport: VirtioTransport(device.transport), allowedFeatures: Features(device.features),
      vectorCount: device.vectorCount, slot: device.slot)
    machineDevice.resizeOrder = device.resizeOrder
    return machineDevice
  }

  /// One port's host end.
  func openPort(
    _ port: VirtioConsolePortConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) -> any Chardev {
    try open(port.attachment, of: path, isInteractive: port.isConsole)
  }

  /// COM1's host end; nil for none.
  func openSerial(
    _ attachment: SerialPortAttachment
  ) throws(ConfigurationError) -> (any Chardev)? {
    if attachment == .none { return nil }
    return try open(attachment, of: .root.serialPort, isInteractive: true)
  }

  /// A host end with an id that no port has yet, or one for output alone.
  func openSpare(
    _ attachment: SerialPortAttachment, of owner: PropertyPath = .root.characterDevices
  ) throws(ConfigurationError) -> any Chardev {
    try open(attachment, of: owner, isInteractive: false)
  }

  /// Escapes are for people at a console: a pipe's bytes, and a channel's, are passed on as they are.
  private func open(
    _ attachment: SerialPortAttachment, of owner: PropertyPath, isInteractive: Bool
  ) throws(ConfigurationError) -> any Chardev {
    if let known = registry.end(of: attachment) { return known }
    let escape = isInteractive && Terminal.isTerminal(0) ? EscapeKey() : nil
    let opener = ChardevOpener(
      escape: escape, isForConsole: isInteractive,
      patience: isMachineRunning ? .brief() : patience, whenEnded: whenEnded)
    do throws(ChardevError) {
      guard let id = attachment.id else { return try opener.open(attachment) }
      guard attachment.isMultiplexed else {
        let chardev = try opener.open(attachment)
        registry.insert(chardev, id: id)
        return chardev
      }
      let mux = try opener.openMultiplexed(attachment)
      registry.insert(mux, id: id)
      return mux.makeEnd(name: id)
    } catch {
      throw ConfigurationError(.host, at: owner, .init(error.description))
    }
  }
}
