// The values that describe host ends are part of this module's interface.
@_exported import Chardev

/// The host end of a port or of the serial line.
public typealias SerialPortAttachment = ChardevConfiguration

extension ChardevConfiguration {
  /// Whether it is, or has in it, the process's standard input and output.
  package var includesStandardIO: Bool {
    if case .several(let members) = backend { return members.contains(where: \.includesStandardIO) }
    return isStandardIO
  }
}
