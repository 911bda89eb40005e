import SwiftVM

/// What `swiftvm run` was asked for, before anything of the host is looked at.
package struct RunRequest: Equatable, Sendable {
  /// The kernel's path; nil for the guest image's.
  package var kernelPath: String?
  /// The initial RAM disk's path; nil for none, or the guest image's where that is booted.
  package var initialRamdiskPath: String?
  /// The user's words for the kernel command line.
  package var appendedCommandLine = ""
  /// Guest memory in bytes.
  package var memorySize = VirtualMachineConfiguration.defaultMemorySize
  /// The number of virtual CPUs.
  package var cpuCount = 1
  /// The channels.
  package var ports: [VirtioConsolePortConfiguration] = []
  /// The host end of the serial line.
  package var serial = SerialPortAttachment.standardIO
  /// What a guest reset leads to.
  package var resetPolicy = VirtualMachineConfiguration.ResetPolicy.reboot
  /// Whether the steps of the start are timed and printed.
  package var printsTimings = false

  /// A request for the guest image with all defaults.
  package init() {}

  /// The kernel command line: what any guest wants, then the user's words, which so win.
  package var commandLine: String {
    var words: [String] = []
    if serial != .none { words.append("console=ttyS0") }
    // A panic shall end the machine too, not leave it hanging.
    if resetPolicy == .exit { words.append("panic=-1") }
    if !appendedCommandLine.isEmpty { words.append(appendedCommandLine) }
    return words.joined(separator: " ")
  }

  /// One device with room for all ports; none without ports. As QEMU's, it has room for 31 unless
  /// more are needed.
  private var consoleDevices: [VirtioConsoleDeviceConfiguration] {
    guard !ports.isEmpty else { return [] }
    let limit = VirtioConsoleDeviceConfiguration.allowedMaximumPortCounts.upperBound
    let room = min(max(31, ports.count + 1), limit)
    return [VirtioConsoleDeviceConfiguration(ports: ports, maximumPortCount: room)]
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
        initialRamdiskPath: initialRamdiskPath),
      cpuCount: cpuCount,
      memorySize: memorySize,
      consoleDevices: consoleDevices,
      serialPort: SerialPortConfiguration(attachment: serial),
      resetPolicy: resetPolicy)
    if kernelPath == nil {
      try configuration.validateHardware()
      let image = try guestImage()
      configuration.bootLoader.kernelPath = image.kernelPath
      configuration.bootLoader.initialRamdiskPath = initialRamdiskPath ?? image.initialRamdiskPath
    }
    try configuration.validate()
    return configuration
  }
}
