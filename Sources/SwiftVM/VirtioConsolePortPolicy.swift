// The policies of ports are part of this module's interface.
@_exported import struct VirtioConsole.PortPolicy

/// What becomes of bytes where one side of a port is not there or not listening.
public typealias VirtioConsolePortPolicy = PortPolicy
