import Host

/// How many file descriptors a machine may come to have open, all ports in use.
enum DescriptorNeed {
  /// For the process itself, KVM, the event loop, signals, the serial console.
  private static let base = 32
  /// KVM's handle of a processor.
  private static let perCPU = 1
  /// Its listener, its client, and the next one until it is refused.
  private static let perSocket = 3
  private static let perFile = 1
  /// Every queue has a doorbell once the guest has used it.
  private static let perQueue = 1

  /// The number for a machine.
  static func count(of configuration: VirtualMachineConfiguration) -> Int {
    configuration.consoleDevices.reduce(base + perCPU * configuration.cpuCount) { sum, device in
      sum + count(of: device)
    }
  }

  /// Raises the process's limit as far as needed.
  static func secure(_ configuration: VirtualMachineConfiguration) throws(ConfigurationError) {
    let need = count(of: configuration)
    let allowed = DescriptorLimit.raise(toFit: UInt64(need))
    guard allowed < need else { return }
    let ports = configuration.consoleDevices.reduce(0) { $0 + $1.ports.count }
    throw ConfigurationError(
      option: OptionName.virtserialport,
      problem: "the machine needs up to \(need) open file descriptors for its \(ports) ports, and"
        + " this process may have \(allowed)",
      remedy: "raise the hard limit (ulimit -Hn \(need)), or leave some ports out")
  }

  private static func count(of attachment: SerialPortAttachment) -> Int {
    switch attachment.backend {
    case .null, .ringBuffer: 0
    case .standardIO, .datagram, .descriptor: perFile
    case .file, .pipe, .pseudoTerminal, .program: 2 * perFile
    case .socket: perSocket
    case .several(let members): members.reduce(0) { $0 + count(of: $1) }
    }
  }

  private static func count(of device: VirtioConsoleDeviceConfiguration) -> Int {
    let queues = 2 * (device.ports.count + 1)
    let vectors = min(
      device.vectorCount ?? queues + 1,
      VirtioConsoleDeviceConfiguration.allowedVectorCounts.upperBound)
    return device.ports.reduce(queues * perQueue + vectors) { sum, port in
      sum + count(of: port.attachment)
    }
  }
}
