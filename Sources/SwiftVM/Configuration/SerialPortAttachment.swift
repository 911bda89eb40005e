@_exported import Chardev

// The values that describe backends are part of this module's interface.

/// The backend of a port or of the serial line.
public typealias SerialPortAttachment = ChardevConfiguration

extension ChardevConfiguration {
  /// Whether it is, or has in it, the process's standard input and output.
  package var includesStandardIO: Bool {
    if case .several(let members) = backend { return members.contains(where: \.includesStandardIO) }
    return isStandardIO
  }

  /// Whether it is, or has in it, a socket that gives later clients the guest's last bytes.
  var replaysOutput: Bool {
    switch backend {
    case .several(let members): members.contains(where: \.replaysOutput)
    case .socket(let socket): socket.replaySize != 0
    default: false
    }
  }

  /// Whether it is, or has in it, one of the process's standard streams.
  package var includesStandardStream: Bool {
    switch backend {
    case .several(let members): members.contains(where: \.includesStandardStream)
    case .descriptor(.number(let number)): number <= 2
    default: isStandardIO
    }
  }
}
