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
  /// The host end of the serial line; nil for standard input and output where no console has them.
  package var serial: SerialPortAttachment?
  /// Whether a CPU that prints waits for the serial line's reader.
  package var serialWaitsForReader = false
  /// Where emergency writes go.
  package var emergency = EmergencyOutputAttachment.automatic
  /// Host ends with an id that nothing is connected to yet.
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
  /// Whether only what is asked for is there: the serial console has no host end by itself.
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

  /// The serial line's host end.
  package var serialAttachment: SerialPortAttachment {
    let isTaken = namedAttachments.contains(where: \.includesStandardIO)
    return serial ?? (isTaken || hasNoDefaults || daemonizes ? .none : .standardIO)
  }

  /// The host ends asked for, the serial line's apart.
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
  ) throws(ConfigurationError) -> VirtualMachineConfiguration {
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
    if kernelPath == nil {
      try configuration.validateHardware()
      let image = try guestImage()
      configuration.bootLoader.kernelPath = image.kernelPath
      configuration.bootLoader.initialRamdiskPaths =
        initialRamdiskPaths.isEmpty ? [image.initialRamdiskPath] : initialRamdiskPaths
    }
    try configuration.validate()
    return configuration
  }
}
