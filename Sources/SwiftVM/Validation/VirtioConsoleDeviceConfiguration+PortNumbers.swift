import VirtioConsole

extension VirtioConsoleDeviceConfiguration {
  /// The number that each of the ports gets, in their order.
  public var portNumbers: [Int] {
    get throws(ConfigurationError) {
      try ConsoleDeviceRules.checkRange(
        maximumPortCount, Self.allowedMaximumPortCounts, key: "max-ports",
        "a device cannot have room for so many ports")
      var numbers = PortNumbers(limit: maximumPortCount)
      var result = [Int](repeating: 0, count: ports.count)
      for servesWishes in [true, false] {
        for (index, port) in ports.enumerated() where (port.number != nil) == servesWishes {
          do throws(PortError) {
            result[index] = Int(try numbers.take(for: PortConfiguration(port)))
          } catch {
            throw ConfigurationError(error, port, maximumPortCount: maximumPortCount)
          }
        }
      }
      return result
    }
  }
}

extension ConfigurationError {
  /// What a device has against a port, with the option and a remedy.
  init(_ error: PortError, _ port: VirtioConsolePortConfiguration, maximumPortCount: Int) {
    let wanted = port.number
    let remedy =
      switch error {
      case .numberReserved: "give nr=1 or higher, or leave nr out"
      case .numberTaken: "give another number, or leave nr out"
      case .numberOutOfRange: Self.remedy(forNumber: wanted ?? 0, maximumPortCount)
      case .noFreeNumber: "leave some ports out, or give the device more max-ports"
      case .nameTaken: "choose another name"
      case .noSuchPort: "give the number of a port"
      }
    // A sentence of QEMU's own ends with a full stop.
    let problem =
      error.description.last == "." ? error.description.dropLast() : error.description[...]
    self.init(
      option: OptionName.of(port), value: wanted.map { "nr=\($0)" } ?? "", problem: String(problem),
      remedy: remedy)
  }

  private static func remedy(forNumber number: Int, _ maximumPortCount: Int) -> String {
    let below = "give a number below \(maximumPortCount)"
    let needed = number.addingReportingOverflow(1).partialValue
    guard VirtioConsoleDeviceConfiguration.allowedMaximumPortCounts.contains(needed) else {
      return below
    }
    return below + ", or the device max-ports=\(needed)"
  }
}
