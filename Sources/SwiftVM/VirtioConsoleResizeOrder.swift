// The order is part of this module's interface.
@_exported import enum VirtioConsole.ResizeOrder

/// In which order a console's guest is told columns and rows.
public typealias VirtioConsoleResizeOrder = ResizeOrder
