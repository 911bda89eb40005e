import Devices

/// A function's I/O region: the legacy registers, and the device configuration behind them.
final class LegacyPorts: AddressSpaceDevice {
  private let function: VirtioPCIFunction

  init(function: VirtioPCIFunction) { self.function = function }

  func read(offset: UInt64, width: Int) -> UInt64 {
    function.readPorts(offset: Int(truncatingIfNeeded: offset), width: width)
  }

  func write(offset: UInt64, width: Int, value: UInt64) {
    function.writePorts(offset: Int(truncatingIfNeeded: offset), width: width, value: value)
  }
}
