import Boot

/// Where the debug exit's ports may be: among those that no other device can have.
enum DebugExitRules {
  static func check(_ configuration: DebugExitConfiguration) throws(ConfigurationError) {
    guard configuration.portCount >= 1, configuration.ports.upperBound <= 0x1_0000 else {
      throw ConfigurationError(
        option: OptionName.debugExit, value: "iosize=\(configuration.portCount)",
        problem: "the ports are not within 0x0 to 0xffff", remedy: "give e.g. iosize=2")
    }
    let taken = AddressMap.devicePorts.first { $0.ports.overlaps(configuration.ports) }
    guard let taken else { return }
    throw ConfigurationError(
      option: OptionName.debugExit,
      value: "iobase=0x" + String(configuration.firstPort, radix: 16),
      problem: "these ports belong to \(taken.device)", remedy: "give e.g. iobase=0x501 or 0xf4")
  }
}
