import Control
import Host
import SwiftVM

/// What `swiftvm run` was asked for, before anything of the host is looked at.
struct RunRequest: Equatable, Sendable {
  /// The machine, but for its console devices and the serial console's backend. The kernel command line
  /// has the user's words alone. Without a kernel's path, the guest image is booted.
  var machine = VirtualMachineConfiguration(bootLoader: LinuxBootLoader(kernelPath: ""))
  /// The virtio-serial devices; none for one that is made for the ports.
  var devices: [Device] = []
  var ports: [Port] = []
  /// The backend of the serial console; nil for standard input and output where no console has them.
  var serial: ChardevConfiguration?
  /// Whether the serial console has no backend unless one is given.
  var hasNoDefaults = false
  var pidFilePath: String?
  var daemonizes = false
  /// How long a guest has to power off after SIGTERM, in seconds; nil where that ends the machine.
  var powerDownSeconds: Int?
  var printsStatistics = false
  var printsTrace = false
  var printsTimings = false

  /// A virtio-serial device, without its ports.
  struct Device: Equatable, Sendable {
    var configuration = VirtioConsoleDeviceConfiguration(ports: [])
    /// Its room; nil for as much as its ports need, and QEMU's 31 at least.
    var maximumPortCount: Int?

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

  /// A port, and the device it goes to.
  struct Port: Equatable, Sendable {
    /// The device's id with `.0` after it, as QEMU calls the device's only bus; nil for the first.
    var bus: String?
    var configuration: VirtioConsolePortConfiguration
  }

  /// The configuration asked for, validated.
  ///
  /// - Parameter guestImage: finds the guest image; called only where no kernel was given, after
  ///   everything else was found to be right.
  func configuration(
    guestImage: () throws(ConfigurationError) -> GuestImage
  ) throws(UsageError) -> VirtualMachineConfiguration {
    var machine = machine
    machine.bootLoader.commandLine = commandLine
    machine.consoleDevices = try consoleDevices
    machine.serialPort.attachment = serialAttachment
    do throws(ConfigurationError) {
      if machine.bootLoader.kernelPath.isEmpty {
        try machine.validateHardware()
        let image = try guestImage()
        machine.bootLoader.kernelPath = image.kernelPath
        if machine.bootLoader.initialRamdiskPaths.isEmpty {
          machine.bootLoader.initialRamdiskPaths = [image.initialRamdiskPath]
        }
      }
      try machine.validate()
    } catch {
      throw UsageError(error)
    }
    return machine
  }

  // MARK: Backends

  var serialAttachment: ChardevConfiguration {
    let isTaken = namedAttachments.contains(where: \.includesStandardIO)
    return serial ?? (isTaken || hasNoDefaults || daemonizes ? .none : .standardIO)
  }

  /// The backends asked for, but for the serial console's.
  private var namedAttachments: [ChardevConfiguration] {
    let attachments = ports.map(\.configuration.attachment) + machine.characterDevices
    guard case .backend(let end) = machine.emergencyOutput else { return attachments }
    return attachments + [end]
  }

  /// A daemon has no standard streams to give.
  func refuseStandardIOOfDaemon() throws(UsageError) {
    guard daemonizes else { return }
    let attachments = namedAttachments + [serialAttachment]
    guard attachments.contains(where: \.includesStandardStream) else { return }
    throw UsageError(
      "--daemonize", "",
      "a daemon has no standard input and output, which a port or the serial console has",
      "give e.g. --serial none, --serial pty or --serial file=PATH")
  }

  // MARK: The kernel command line

  /// The kernel command line: what any guest wants, then the user's words, which so win.
  var commandLine: String {
    var words: [String] = []
    if serialAttachment != .none { words.append("console=ttyS0") }
    if let number = consoleOnStandardIO { words.append("console=hvc\(number)") }
    // A panic shall end the machine too, not leave it hanging.
    if machine.resetPolicy == .exit { words.append("panic=-1") }
    let given = machine.bootLoader.commandLine
    return (given.isEmpty ? words : words + [given]).joined(separator: " ")
  }

  /// Which of the guest's consoles, hvc0, hvc1 and so on, is the first on standard input and output. A
  /// guest numbers them as it finds them: by device, then by port.
  private var consoleOnStandardIO: Int? {
    let devices = (try? consoleDevices) ?? []
    let consoles = devices.flatMap { device in
      zip(device.ports, (try? device.portNumbers) ?? [])
        .filter(\.0.isConsole).sorted { $0.1 < $1.1 }.map(\.0)
    }
    return consoles.firstIndex(where: \.attachment.isStandardIO)
  }

  // MARK: Devices and ports

  /// The devices asked for, or one where there are only ports, with the ports of each.
  var consoleDevices: [VirtioConsoleDeviceConfiguration] {
    get throws(UsageError) {
      let devices = devices.isEmpty && !ports.isEmpty ? [Device()] : devices
      let buses = devices.map(\.configuration).busNames
      var portsOfDevices = devices.map { _ in [VirtioConsolePortConfiguration]() }
      for port in ports { portsOfDevices[try port.index(among: buses)].append(port.configuration) }
      return zip(devices, portsOfDevices).map { $0.with($1) }
    }
  }
}

extension RunRequest.Port {
  /// The index of the port's device, given the names of all devices' buses.
  fileprivate func index(among buses: [String]) throws(UsageError) -> Int {
    guard let bus else { return 0 }
    if let index = buses.firstIndex(of: bus) { return index }
    throw UsageError(
      configuration.isConsole ? "--virtconsole" : "--virtserialport", "bus=" + bus,
      "Bus '\(PlainText.shortened(bus))' not found",
      Suggestion.to(bus, among: buses).map { "did you mean bus=\($0)?" }
        ?? "give the id of a --virtio-serial with .0 after it, e.g. bus=vs0.0")
  }
}
