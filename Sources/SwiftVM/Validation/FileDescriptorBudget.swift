import Host

/// How many file descriptors a machine may come to have open, all ports in use.
enum FileDescriptorBudget {
  /// For the process itself, KVM, the event loop, signals, the serial console.
  private static let base = 32
  /// Its listener, its client, one that waits, and the next one until it is refused.
  private static let perSocket = 4
  /// Clients that wait or listen beside the first.
  private static let furtherClients = 16
  /// Its listener, its clients, and the descriptors that they hand over.
  private static let perControlSocket = 64

  /// The number for a machine. KVM has a handle of every CPU.
  static func count(of configuration: VirtualMachineConfiguration) -> Int {
    let others = configuration.frontEnds.dropFirst() + configuration.characterDevices
    let serial = configuration.serialPort.attachment
    return base + configuration.cpuCount
      + configuration.consoleDevices.reduce(0) { $0 + notifierCount(of: $1) }
      + others.reduce(serial.isStandardIO ? 0 : count(of: serial)) { $0 + count(of: $1) }
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
    let log = attachment.log == nil ? 0 : 1
    switch attachment.backend {
    case .null, .ringBuffer: return log
    case .standardIO, .datagram: return log + 1
    // A file that is rotated has its directory open, too.
    case .file, .pipe, .pseudoTerminal, .program: return log + 3
    // It may be a listener.
    case .descriptor: return log + perSocket
    case .socket(let socket):
      let waits = socket.clients == .queue || socket.clients == .broadcast
      return log + perSocket + (waits ? furtherClients : 0)
    case .several(let members): return members.reduce(log) { $0 + count(of: $1) }
    }
  }

  /// Every queue has a notifier once the guest has used it. Any vector may be used, whether its queue
  /// has a port or not.
  private static func notifierCount(of device: VirtioConsoleDeviceConfiguration) -> Int {
    let vectors = min(
      device.vectorCount ?? 2 * (device.maximumPortCount + 1) + 1,
      VirtioConsoleDeviceConfiguration.allowedVectorCounts.upperBound)
    return 2 * (device.ports.count + 1) + vectors
  }
}
