import Chardev
import Host
import Virtio
import VirtioConsole

/// Opens what ports and serial lines lead to on the host, and turns each refusal into an error that
/// names the property.
struct BackendOpener {
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

/// The open host ends that have an id, by its bytes.
///
/// One that one port at a time may have outlasts the ports. A shared one ends with the last port that
/// has one of its ends.
final class ChardevRegistry {
  private var own: [[UInt8]: any Chardev] = [:]
  private var shared: [[UInt8]: MuxChardev] = [:]

  /// Those that outlast ports, in no order.
  var lasting: [any Chardev] { Array(own.values) }

  /// The backend of an id, of a shared one what it shares.
  subscript(id: String) -> (any Chardev)? {
    let key = Array(id.utf8)
    return own[key] ?? shared[key]?.backend
  }

  /// Whether there is a backend of this id.
  func has(_ id: String) -> Bool { self[id] != nil }

  /// What a port is to have that is attached so; nil where nothing of its id is open.
  func end(of attachment: ChardevConfiguration) -> (any Chardev)? {
    guard let id = attachment.id else { return nil }
    let key = Array(id.utf8)
    return own[key] ?? shared[key]?.makeEnd(name: id)
  }

  func insert(_ chardev: any Chardev, id: String) { own[Array(id.utf8)] = chardev }

  func insert(_ mux: MuxChardev, id: String) { shared[Array(id.utf8)] = mux }

  /// Forgets the host end of an id; returns it if it is a lasting one.
  func remove(id: String) -> (any Chardev)? {
    let key = Array(id.utf8)
    shared[key] = nil
    return own.removeValue(forKey: key)
  }
}

/// Tells the user where pseudo-terminals are, since the kernel picks their names at the start.
struct TerminalNotes {
  // String keys: paths that this program has from the kernel.
  private var told: Set<String> = []

  /// Notes where a host end's terminal is, if it is one, once and in QEMU's words.
  mutating func note(_ chardev: any Chardev, label: String) {
    guard let path = ClientConnection.terminalPath(of: chardev), told.insert(path).inserted
    else { return }
    Log.note("char device redirected to \(path) (label \(label))")
  }
}
