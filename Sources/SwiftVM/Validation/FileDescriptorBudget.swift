import Host

/// How many file descriptors a machine may come to have open, all ports in use.
enum FileDescriptorBudget {
  /// For the process itself, KVM, the event loop, signals, the serial console.
  private static let base = 32
  /// KVM's handle of a processor.
  private static let perCPU = 1
  /// Its listener, its client, one that waits, and the next one until it is refused.
  private static let perSocket = 4
  /// Clients that wait or listen beside the first.
  private static let furtherClients = 16
  private static let perFile = 1
  /// Its listener, its clients, and the descriptors that they hand over.
  private static let perControlSocket = 64
  /// Every queue has a notifier once the guest has used it.
  private static let perQueue = 1

  /// The number for a machine.
  static func count(of configuration: VirtualMachineConfiguration) -> Int {
    let devices = configuration.consoleDevices.reduce(0) { $0 + count(of: $1) }
    let spares = configuration.characterDevices.reduce(0) { $0 + count(of: $1) }
    let attachment = configuration.serialPort.attachment
    let serial = attachment.isStandardIO ? 0 : count(of: attachment)
    let emergency = configuration.emergencyAttachment.map { count(of: $0) } ?? 0
    return base + perCPU * configuration.cpuCount + devices + spares + serial + emergency
      + perControlSocket * configuration.controlSockets.count
  }

  /// Raises the process's limit as far as needed.
  static func secure(_ configuration: VirtualMachineConfiguration) throws(ConfigurationError) {
    let need = count(of: configuration)
    let allowed = DescriptorLimit.raise(toFit: UInt64(need))
    guard allowed < need else { return }
    let users = [
      (configuration.consoleDevices.reduce(0) { $0 + $1.ports.count }, "port"),
      (configuration.controlSockets.count, "control socket"), (configuration.cpuCount, "CPU"),
    ].filter { $0.0 > 0 }.map { "\($0) \($1)\($0 == 1 ? "" : "s")" }
    throw ConfigurationError(
      .host, at: .root,
      "a machine with \(users.joined(separator: ", ")) needs up to \(need) open files, and"
        + " the hard limit (RLIMIT_NOFILE) allows this process \(allowed)",
      "raise it (ulimit -Hn \(need)), or leave something out")
  }

  private static func count(of attachment: SerialPortAttachment) -> Int {
    let log = attachment.log == nil ? 0 : perFile
    switch attachment.backend {
    case .null, .ringBuffer: return log
    case .standardIO: return log + perFile
    // A file that is rotated has its directory open, too.
    case .file, .pipe, .pseudoTerminal, .program: return log + 3 * perFile
    case .datagram: return log + perFile
    // It may be a listener.
    case .descriptor: return log + perSocket
    case .socket(let socket):
      let waits = socket.clients == .queue || socket.clients == .broadcast
      return log + perSocket + (waits ? furtherClients : 0)
    case .several(let members): return members.reduce(log) { $0 + count(of: $1) }
    }
  }

  private static func count(of device: VirtioConsoleDeviceConfiguration) -> Int {
    let queues = 2 * (device.ports.count + 1)
    // Any vector may be used, whether its queue has a port or not.
    let vectors = min(
      device.vectorCount ?? 2 * (device.maximumPortCount + 1) + 1,
      VirtioConsoleDeviceConfiguration.allowedVectorCounts.upperBound)
    return device.ports.reduce(queues * perQueue + vectors) { sum, port in
      sum + count(of: port.attachment)
    }
  }
}
