import Chardev
import Host
import Virtio
import VirtioConsole

/// Opens what ports and serial lines lead to on the host, and turns each refusal into an error that
/// names the option.
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
    _ device: VirtioConsoleDeviceConfiguration
  ) throws(ConfigurationError) -> MachineConfiguration.ConsoleDevice {
    let numbers = try device.portNumbers
    var ports: [MachineConfiguration.Port] = []
    for (port, number) in zip(device.ports, numbers) {
      var numbered = port
      numbered.number = number
      ports.append((PortConfiguration(numbered), try openPort(port)))
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
    _ port: VirtioConsolePortConfiguration
  ) throws(ConfigurationError) -> any Chardev {
    try open(port.attachment, OptionName.of(port), isInteractive: port.isConsole)
  }

  /// COM1's host end; nil for none.
  func openSerial(
    _ attachment: SerialPortAttachment
  ) throws(ConfigurationError) -> (any Chardev)? {
    if attachment == .none { return nil }
    return try open(attachment, OptionName.serial, isInteractive: true)
  }

  /// A host end with an id that no port has yet, or one for output alone.
  func openSpare(
    _ attachment: SerialPortAttachment, _ option: String = OptionName.chardev
  ) throws(ConfigurationError) -> any Chardev {
    try open(attachment, option, isInteractive: false)
  }

  /// Escapes are for people at a console: a pipe's bytes, and a channel's, are passed on as they are.
  private func open(
    _ attachment: SerialPortAttachment, _ option: String, isInteractive: Bool
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
      throw ConfigurationError(option: option, problem: error.description, remedy: "")
    }
  }
}
