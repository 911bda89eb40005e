// The values that describe host ends are part of this module's interface.
@_exported import Chardev

/// The host end of a port or of the serial line.
public typealias SerialPortAttachment = ChardevConfiguration
