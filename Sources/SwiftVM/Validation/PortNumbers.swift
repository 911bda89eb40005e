/// The numbers of a device's ports: those asked for, and free ones for the rest. What is refused is
/// said in QEMU's words.
struct PortNumbers {
  private let maximumPortCount: Int
  private var isTaken: [Bool]
  /// All from 1 up to this one are taken.
  private var lowest = 1

  /// A number for each port of the device, in the ports' order.
  static func assign(
    _ device: VirtioConsoleDeviceConfiguration
  ) throws(ConfigurationError) -> [Int] {
    try ConsoleDeviceRules.checkRange(
      device.maximumPortCount, VirtioConsoleDeviceConfiguration.allowedMaximumPortCounts,
      key: "max-ports", "a device cannot have room for so many ports")
    var numbers = PortNumbers(maximumPortCount: device.maximumPortCount)
    for port in device.ports {
      if let number = port.number { try numbers.take(number, for: port) }
    }
    var result: [Int] = []
    for port in device.ports {
      if let number = port.number {
        result.append(number)
      } else {
        result.append(try numbers.next(for: port))
      }
    }
    return result
  }

  private init(maximumPortCount: Int) {
    self.maximumPortCount = maximumPortCount
    isTaken = Array(repeating: false, count: maximumPortCount)
  }

  private mutating func take(
    _ number: Int, for port: VirtioConsolePortConfiguration
  ) throws(ConfigurationError) {
    func error(_ problem: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.of(port), value: "nr=\(number)", problem: problem, remedy: remedy)
    }
    guard isTaken.indices.contains(number) else {
      let (needed, limit) = (
        number.addingReportingOverflow(1).partialValue,
        VirtioConsoleDeviceConfiguration.allowedMaximumPortCounts
      )
      throw error(
        "Out-of-range port id specified, max. allowed: \(maximumPortCount - 1)",
        limit.contains(needed)
          ? "give a number below \(maximumPortCount), or the device max-ports=\(needed)"
          : "give a number below \(maximumPortCount)")
    }
    guard number > 0 || port.isConsole else {
      throw error(
        "Port number 0 on virtio-serial devices reserved for virtconsole devices for backward"
          + " compatibility", "give nr=1 or higher, or leave nr out")
    }
    guard !isTaken[number] else {
      throw error(
        "A port already exists at id \(number)", "give another number, or leave nr out")
    }
    isTaken[number] = true
  }

  private mutating func next(
    for port: VirtioConsolePortConfiguration
  ) throws(ConfigurationError) -> Int {
    if port.isConsole, !isTaken[0] {
      isTaken[0] = true
      return 0
    }
    while lowest < maximumPortCount, isTaken[lowest] { lowest += 1 }
    guard lowest < maximumPortCount else {
      throw ConfigurationError(
        option: OptionName.of(port),
        problem: "Maximum port limit for this device reached: numbers up to"
          + " \(maximumPortCount - 1) are taken",
        remedy: "leave some ports out, or give the device more max-ports")
    }
    isTaken[lowest] = true
    return lowest
  }
}

extension VirtioConsoleDeviceConfiguration {
  /// The number that each of the ports gets, in their order.
  public var portNumbers: [Int] {
    get throws(ConfigurationError) { try PortNumbers.assign(self) }
  }
}
