import Boot

/// What a machine's virtio-serial devices and their ports may be: each possible by itself, names and
/// ids used once in the machine, numbers once in a device.
struct ConsoleDeviceRules {
  /// The places of the PCI bus beside the host bridge's.
  static let maximumPCIDeviceCount = 31

  private var names = PortNameRules()
  private var identifiers = DeviceIdentifierRules()
  private var slots: Set<Int> = []

  /// Checks all devices of a machine.
  static func check(_ devices: [VirtioConsoleDeviceConfiguration]) throws(ConfigurationError) {
    var rules = ConsoleDeviceRules()
    for device in devices { try rules.check(device) }
    let count = devices.count { $0.transport != .mmio }
    guard count <= maximumPCIDeviceCount else {
      throw ConfigurationError(
        option: OptionName.virtioSerial,
        problem: "\(count) devices are more than the \(maximumPCIDeviceCount) of the PCI bus",
        remedy: "leave some out; one device has room for 32765 ports")
    }
    guard devices.count - count <= AddressMap.virtioMMIOCapacity else {
      throw ConfigurationError(
        option: OptionName.virtioSerial,
        problem: "\(devices.count - count) devices are more than the"
          + " \(AddressMap.virtioMMIOCapacity) that mmio has room for",
        remedy: "leave some out; one device has room for 32765 ports")
    }
  }

  private mutating func check(
    _ device: VirtioConsoleDeviceConfiguration
  ) throws(ConfigurationError) {
    try identifiers.check(device.id, option: OptionName.virtioSerial)
    if let count = device.vectorCount {
      try Self.checkRange(
        count, VirtioConsoleDeviceConfiguration.allowedVectorCounts, key: "vectors",
        "a device cannot have so many interrupt vectors")
      guard device.transport != .mmio else {
        throw ConfigurationError(
          option: OptionName.virtioSerial, value: "vectors=\(count)",
          problem: "a device on mmio has a single interrupt", remedy: "leave vectors out")
      }
    }
    try checkSlot(of: device)
    for port in device.ports {
      try identifiers.check(port.id, option: OptionName.of(port))
      try names.check(port)
      try Self.checkRange(
        port.policy.weight, VirtioConsolePortPolicy.allowedWeights, key: "weight",
        "a port cannot have this weight", option: OptionName.of(port))
      try Self.checkHandover(port)
      guard port.isConsole || !port.attachment.replaysOutput else {
        throw ConfigurationError(
          option: OptionName.of(port), value: "replay=",
          problem: "a channel keeps what it has no client for in the guest, and repeats nothing",
          remedy: "leave it out; it is for consoles and --serial")
      }
    }
    let numbers = try device.portNumbers
    guard device.features.multiport || numbers.allSatisfy({ $0 == 0 }) else {
      throw ConfigurationError(
        option: OptionName.virtioSerial, value: "multiport=off",
        problem: "such a device has one port, a virtconsole with number 0",
        remedy: "give its other ports to another device")
    }
  }

  private static func checkHandover(
    _ port: VirtioConsolePortConfiguration
  ) throws(ConfigurationError) {
    let drain = port.policy.drainMilliseconds
    for (key, time) in [("drain", drain), ("gap", port.policy.gapMilliseconds)] {
      try checkRange(
        time, VirtioConsolePortPolicy.allowedMilliseconds, key: key,
        "a client's change cannot take so many milliseconds", option: OptionName.of(port))
    }
    guard drain == 0 || port.policy.onHostClose == .discard else {
      throw ConfigurationError(
        option: OptionName.of(port), value: "drain=\(drain)",
        problem: "what is drained is discarded, and on-host-close=keep keeps it",
        remedy: "give one of them")
    }
  }

  private mutating func checkSlot(
    of device: VirtioConsoleDeviceConfiguration
  ) throws(ConfigurationError) {
    guard let slot = device.slot else { return }
    func error(_ problem: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.virtioSerial, value: "addr=0x" + String(slot, radix: 16),
        problem: problem, remedy: remedy)
    }
    guard device.transport != .mmio else {
      throw error("a device on mmio has no slot of the PCI bus", "leave addr out")
    }
    let allowed = VirtioConsoleDeviceConfiguration.allowedSlots
    guard allowed.contains(slot) else {
      throw error("the PCI bus has no such slot for a device", "give addr= from 0x1 to 0x1f")
    }
    guard slots.insert(slot).inserted else {
      throw error("PCI: slot \(slot) is in use already", "give every device a slot of its own")
    }
  }

  static func checkRange(
    _ value: Int, _ range: ClosedRange<Int>, key: String, _ problem: String,
    option: String = OptionName.virtioSerial
  ) throws(ConfigurationError) {
    guard !range.contains(value) else { return }
    throw ConfigurationError(
      option: option, value: "\(key)=\(value)", problem: problem,
      remedy: "give \(key)= from \(range.lowerBound) to \(range.upperBound)")
  }
}
