import Chardev
import Host
import VirtioConsole

/// A console device over all lives of the guest, and its ports; on the I/O thread.
package final class MachineDevice {
  /// What reports call it: its id, or `virtio-serial` and a number that no other device has had.
  package let label: String
  /// Its ports, in the order in which they came.
  package private(set) var ports: [MachinePort] = []
  /// What the guest of this life has of it; nil while no guest is there.
  private(set) var console: PluggedConsole?
  /// The slot of the PCI bus that it keeps once it has one; nil on mmio.
  private(set) var slot: Int?
  /// The guest has been asked to let it go.
  var isRemovalPending = false
  /// Called with each control message and change of state, on any thread; must not wait.
  let trace: (@Sendable (TraceEvent) -> Void)?
  /// What it is, without its ports.
  private let properties: VirtioConsoleDeviceConfiguration
  /// What was counted in earlier lives of the guest.
  private var past = DeviceStatistics()

  /// Makes the device with its ports, whose backends are opened.
  ///
  /// - Parameter configuration: valid.
  init(
    _ configuration: VirtioConsoleDeviceConfiguration, label: String, at path: PropertyPath,
    _ backends: Backends, trace: (@Sendable (String, TraceEvent) -> Void)?
  ) throws(ConfigurationError) {
    self.label = label
    if let trace { self.trace = { trace(label, $0) } } else { self.trace = nil }
    slot = configuration.slot
    var properties = configuration
    properties.ports = []
    self.properties = properties
    let numbers = try configuration.portNumbers
    for (index, port) in configuration.ports.enumerated() {
      ports.append(
        try MachinePort(
          port, number: numbers[index], of: self,
          at: path.port(index, isConsole: port.isConsole), backends))
    }
  }

  package var id: String? { properties.id }

  /// Whether it is on the PCI bus, where devices may come and go.
  var isOnPCI: Bool { properties.transport != .mmio }

  /// What it is now, every port numbered.
  package var configuration: VirtioConsoleDeviceConfiguration {
    var configuration = properties
    configuration.ports = ports.map(\.configuration)
    return configuration
  }

  /// What it is doing, and what happened on it over all lives of the guest.
  var statistics: DeviceStatistics {
    var statistics = console.map { $0.statistics.after(past) } ?? past
    statistics.label = label
    return statistics
  }

  // MARK: A life of the guest

  /// Gives the device to the guest of a board.
  ///
  /// - Parameter isRunning: whether the guest runs already, and finds places for the BARs itself.
  func plug(into board: Board, defaultVectorCount: Int?, isRunning: Bool) throws {
    let console = try PluggedConsole(
      self, defaultVectorCount: defaultVectorCount, on: board, isRunning: isRunning)
    self.console = console
    slot = console.slot
  }

  /// Takes it away from the guest; its backends stay. Returns whether a console of it has lost output.
  func unplug() -> Bool {
    guard let console else { return false }
    // The states of the ports with the guest still there are those to be remembered.
    let before = console.statistics
    console.unplug()
    let after = console.statistics
    past = after.after(past)
    past.ports = zip(before.ports, past.ports).map { $1.inState(of: $0) }
    self.console = nil
    return after.ports.contains(where: \.hasLostOutput)
  }

  // MARK: Ports

  /// Adds a port, in this life of the guest and those after it.
  func add(_ port: MachinePort) throws(PortError) {
    try console?.add(port)
    ports.append(port)
  }

  /// Removes a port; what its client takes at once is passed on. A later port of this number counts from
  /// zero.
  func remove(_ port: MachinePort) {
    let report = try? console?.device.removePort(number: port.deviceNumber)
    let earlier = past.ports.first { $0.number == port.number }
    ports.removeAll { $0 === port }
    past.ports.removeAll { $0.number == port.number }
    past.removedPortCount &+= 1
    for lost in [report, earlier].compactMap(\.self) {
      past.bytesLostWithPorts &+= lost.bytesDropped &+ lost.bytesDiscarded
    }
  }
}

/// A port over all lives of the guest, and its backend; on the I/O thread.
///
/// `@unchecked Sendable`: other threads only pass it on.
package final class MachinePort: @unchecked Sendable {
  /// What it is, with its number.
  package private(set) var configuration: VirtioConsolePortConfiguration
  /// Its number among the ports of its device.
  package let number: Int
  package private(set) var chardev: any Chardev
  package unowned let device: MachineDevice

  /// Makes the port, whose backend is opened.
  init(
    _ configuration: VirtioConsolePortConfiguration, number: Int, of device: MachineDevice,
    at path: PropertyPath, _ backends: Backends
  ) throws(ConfigurationError) {
    self.configuration = configuration
    self.configuration.number = number
    self.number = number
    self.device = device
    chardev = try backends.open(
      configuration.attachment, of: path, isForConsole: configuration.isConsole,
      label: Self.chardevLabel(configuration, number, device))
  }

  package var id: String? { configuration.id }

  /// What its backend is called; made up where the user gave it no id.
  package var chardevLabel: String { Self.chardevLabel(configuration, number, device) }

  private static func chardevLabel(
    _ port: VirtioConsolePortConfiguration, _ number: Int, _ device: MachineDevice
  ) -> String {
    port.attachment.id ?? port.id ?? "\(device.label).\(number)"
  }

  /// Its number as the device knows it.
  var deviceNumber: UInt32 { UInt32(clamping: number) }

  package var isOpenInGuest: Bool {
    device.console?.device.isOpenInGuest(port: deviceNumber) ?? false
  }

  /// The port as the device knows it.
  func deviceConfiguration(telling events: GuestEventMailbox) -> PortConfiguration {
    var port = PortConfiguration(configuration)
    port.onGuestOpen = { [self] isOpen in events.portChanged(self, isOpen: isOpen) }
    return port
  }

  /// Gives it another backend, which has been started; the one before is let go.
  func exchange(_ attachment: ChardevConfiguration, _ chardev: any Chardev) {
    configuration.attachment = attachment
    self.chardev = chardev
    console?.exchangeChardev(ofPort: deviceNumber, for: chardev)
  }

  private var console: ConsoleDevice? { device.console?.device }
}
