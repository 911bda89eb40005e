import Control
import Host
import SwiftVM

/// What `swiftvm run` was asked for, before anything of the host is looked at.
package struct RunRequest: Equatable, Sendable {
  /// The kernel's path; nil for the guest image's.
  package var kernelPath: String?
  /// The paths of the initial RAM disk's parts; empty for none, or the guest image's where that is
  /// booted.
  package var initialRamdiskPaths: [String] = []
  /// The user's words for the kernel command line.
  package var appendedCommandLine = ""
  /// Guest memory in bytes.
  package var memorySize = VirtualMachineConfiguration.defaultMemorySize
  /// Whether guest memory comes in large pages.
  package var usesHugePages = true
  /// The number of virtual CPUs.
  package var cpuCount = 1
  /// The virtio-serial devices; none for one that is made for the ports.
  package var devices: [Device] = []
  /// The channels and consoles.
  package var ports: [Port] = []
  /// The backend of the serial line; nil for standard input and output where no console has them.
  package var serial: SerialPortAttachment?
  /// Whether a CPU that prints waits for the serial line's reader.
  package var serialWaitsForReader = false
  /// Where emergency writes go.
  package var emergency = EmergencyOutputAttachment.automatic
  /// Backends with an id that nothing is connected to yet.
  package var characterDevices: [ChardevConfiguration] = []
  /// Where clients control the machine.
  package var controlSockets: [ControlSocketConfiguration] = []
  /// Whether the guest waits to be told to begin.
  package var startsPaused = false
  /// What the machine is called.
  package var name: String?
  /// The file that gets the process's number.
  package var pidFilePath: String?
  /// Whether the process goes to the background once the guest runs.
  package var daemonizes = false
  /// Whether only what is asked for is there: the serial console has no backend by itself.
  package var hasNoDefaults = false
  /// Strings for the guest in SMBIOS.
  package var oemStrings: [String] = []
  /// Whether the guest can tell of a panic.
  package var hasPanicDevice = false
  /// What a panic leads to.
  package var panicPolicy = VirtualMachineConfiguration.PanicPolicy.proceed
  /// The ports by which the guest ends the machine with a status.
  package var debugExit: DebugExitConfiguration?
  /// How long a guest has to power off after SIGTERM, in seconds; nil where that ends the machine.
  package var powerDownSeconds: Int?
  /// The longest that the end waits for slow readers, in seconds; nil for as long as they read.
  package var lingerLimit: Int?
  /// What a guest reset leads to.
  package var resetPolicy = VirtualMachineConfiguration.ResetPolicy.reboot
  /// Whether the ports' counters are printed at the end.
  package var printsStatistics = false
  /// Whether control messages and changes of state are printed as they happen.
  package var printsTrace = false
  /// Whether the steps of the start are timed and printed.
  package var printsTimings = false

  /// A request for the guest image with all defaults.
  package init() {}

  /// The serial line's backend.
  package var serialAttachment: SerialPortAttachment {
    let isTaken = namedAttachments.contains(where: \.includesStandardIO)
    return serial ?? (isTaken || hasNoDefaults || daemonizes ? .none : .standardIO)
  }

  /// The backends asked for, but for the serial line's.
  var namedAttachments: [ChardevConfiguration] {
    let attachments = ports.map(\.configuration.attachment) + characterDevices
    guard case .hostEnd(let end) = emergency else { return attachments }
    return attachments + [end]
  }

  /// The kernel command line: what any guest wants, then the user's words, which so win.
  package var commandLine: String {
    var words: [String] = []
    if serialAttachment != .none { words.append("console=ttyS0") }
    if let number = consoleOnStandardIO { words.append("console=hvc\(number)") }
    // A panic shall end the machine too, not leave it hanging.
    if resetPolicy == .exit { words.append("panic=-1") }
    if !appendedCommandLine.isEmpty { words.append(appendedCommandLine) }
    return words.joined(separator: " ")
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

  /// The configuration asked for, validated.
  ///
  /// - Parameter guestImage: finds the guest image; called only where no kernel was given, after
  ///   everything else was found to be right.
  package func configuration(
    guestImage: () throws(ConfigurationError) -> GuestImage
  ) throws(UsageError) -> VirtualMachineConfiguration {
    var configuration = VirtualMachineConfiguration(
      bootLoader: LinuxBootLoader(
        kernelPath: kernelPath ?? "", commandLine: commandLine,
        initialRamdiskPaths: initialRamdiskPaths),
      cpuCount: cpuCount,
      memorySize: memorySize,
      consoleDevices: try consoleDevices,
      serialPort: SerialPortConfiguration(
        attachment: serialAttachment, waitsForReader: serialWaitsForReader),
      emergencyOutput: emergency,
      resetPolicy: resetPolicy)
    configuration.characterDevices = characterDevices
    configuration.controlSockets = controlSockets
    configuration.startsPaused = startsPaused
    configuration.name = name
    configuration.usesHugePages = usesHugePages
    configuration.lingerLimit = lingerLimit
    configuration.oemStrings = oemStrings
    configuration.hasPanicDevice = hasPanicDevice
    configuration.panicPolicy = panicPolicy
    configuration.debugExit = debugExit
    do throws(ConfigurationError) {
      if kernelPath == nil {
        try configuration.validateHardware()
        let image = try guestImage()
        configuration.bootLoader.kernelPath = image.kernelPath
        configuration.bootLoader.initialRamdiskPaths =
          initialRamdiskPaths.isEmpty ? [image.initialRamdiskPath] : initialRamdiskPaths
      }
      try configuration.validate()
    } catch {
      throw UsageError(error)
    }
    return configuration
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

  // MARK: Devices and ports

  /// The devices asked for, or one where there are only ports, with the ports of each.
  var consoleDevices: [VirtioConsoleDeviceConfiguration] {
    get throws(UsageError) {
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
  ) throws(UsageError) -> Int {
    guard let bus = port.bus else { return 0 }
    // QEMU numbers the buses of devices without an id.
    var unnamed = 0
    let buses = devices.map { device in
      if let id = device.configuration.id { return id + ".0" }
      defer { unnamed += 1 }
      return "virtio-serial-bus.\(unnamed)"
    }
    if let index = buses.firstIndex(of: bus) { return index }
    throw UsageError(
      port.configuration.isConsole ? "--virtconsole" : "--virtserialport", "bus=" + bus,
      "Bus '\(PlainText.shortened(bus))' not found",
      Suggestion.to(bus, among: buses).map { "did you mean bus=\($0)?" }
        ?? "give the id of a --virtio-serial with .0 after it, e.g. bus=vs0.0")
  }

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
}
