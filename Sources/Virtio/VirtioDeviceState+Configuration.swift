extension VirtioDeviceState {
  /// `width` bytes of the device-specific configuration; zero beyond its end.
  func readDeviceConfiguration(offset: Int, width: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<width where offset + index < device.configurationLength {
      let byte = device.readConfiguration(offset: offset + index)
      value |= UInt64(byte) << UInt64(8 * index)
    }
    return value
  }

  /// A driver's write; dropped unless it lies wholly in the device-specific configuration.
  func writeDeviceConfiguration(offset: Int, width: Int, value: UInt64) {
    guard offset + width <= device.configurationLength else { return }
    device.writeConfiguration(offset: offset, width: width, value: value)
  }
}
