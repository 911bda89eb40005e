import Boot
import Host
import VirtioConsole

/// What a machine's virtio-serial devices and their ports may be: each possible by itself, names and
/// ids used once in the machine, numbers once in a device.
struct ConsoleDeviceRules {
  /// The places of the PCI bus beside the host bridge's.
  static let maximumPCIDeviceCount = 31

  // Bytes, since String's == takes different spellings of a character for one name.
  private var names: Set<[UInt8]> = []
  private var identifiers: Set<[UInt8]> = []
  private var slots: Set<Int> = []

  /// Checks all devices of a machine.
  static func check(_ devices: [VirtioConsoleDeviceConfiguration]) throws(ConfigurationError) {
    var rules = ConsoleDeviceRules()
    for (index, device) in devices.enumerated() {
      try rules.check(device, at: PropertyPath.root.consoleDevices[index])
    }
    let count = devices.count { $0.transport != .mmio }
    let remedy = ConfigurationError.Text("leave some out; one device has room for 32765 ports")
    guard count <= maximumPCIDeviceCount else {
      throw ConfigurationError(
        .tooManyDevices, at: .root.consoleDevices,
        "\(count) devices are more than the \(maximumPCIDeviceCount) of the PCI bus", remedy)
    }
    guard devices.count - count <= AddressMap.virtioMMIOCapacity else {
      throw ConfigurationError(
        .tooManyDevices, at: .root.consoleDevices,
        "\(devices.count - count) devices are more than the"
          + " \(AddressMap.virtioMMIOCapacity) that mmio has room for", remedy)
    }
  }

  private mutating func check(
    _ device: VirtioConsoleDeviceConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    try checkIdentifier(device.id, at: path.id)
    if let count = device.vectorCount {
      try Self.checkRange(
        count, VirtioConsoleDeviceConfiguration.allowedVectorCounts, at: path.vectorCount,
        "a device cannot have so many interrupt vectors")
      guard device.transport != .mmio else {
        throw ConfigurationError(
          .conflict, at: path.vectorCount, given: "\(count)",
          "a device on mmio has a single interrupt", "leave \(path.vectorCount) out")
      }
    }
    try checkSlot(of: device, at: path.slot)
    for (index, port) in device.ports.enumerated() {
      try check(port, at: path.port(index, isConsole: port.isConsole))
    }
    let numbers: [Int]
    do throws(ConfigurationError) { numbers = try device.portNumbers } catch {
      throw error.inside(path)
    }
    guard device.features.multiport || numbers.allSatisfy({ $0 == 0 }) else {
      throw ConfigurationError(
        .conflict, at: path.features.multiport, given: "off",
        "such a device has one port, a virtconsole with number 0",
        "give its other ports to another device")
    }
  }

  private mutating func checkSlot(
    of device: VirtioConsoleDeviceConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    guard let slot = device.slot else { return }
    func error(
      _ code: ConfigurationError.Code, _ problem: ConfigurationError.Text,
      _ remedy: ConfigurationError.Text
    ) -> ConfigurationError {
      ConfigurationError(code, at: path, given: "0x" + String(slot, radix: 16), problem, remedy)
    }
    guard device.transport != .mmio else {
      throw error(
        .conflict, "a device on mmio has no slot of the PCI bus", "leave \(path) out")
    }
    guard VirtioConsoleDeviceConfiguration.allowedSlots.contains(slot) else {
      throw error(
        .outOfRange, "the PCI bus has no such slot for a device",
        "give \(path, "") from 0x1 to 0x1f")
    }
    guard slots.insert(slot).inserted else {
      throw error(
        .inUse, "PCI: slot \(slot) is in use already", "give every device a slot of its own")
    }
  }

  static func checkRange(
    _ value: Int, _ range: ClosedRange<Int>, at path: PropertyPath,
    _ problem: ConfigurationError.Text
  ) throws(ConfigurationError) {
    guard !range.contains(value) else { return }
    throw ConfigurationError(
      .outOfRange, at: path, given: "\(value)", problem,
      "give \(path, "") from \(range.lowerBound) to \(range.upperBound)")
  }

  // MARK: Ports

  private mutating func check(
    _ port: VirtioConsolePortConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    try checkIdentifier(port.id, at: path.id)
    try checkName(port.name, at: path.name)
    try Self.checkRange(
      port.policy.weight, VirtioConsolePortPolicy.allowedWeights, at: path.policy.weight,
      "a port cannot have this weight")
    let (drain, gap) = (port.policy.drainMilliseconds, port.policy.gapMilliseconds)
    for (time, property) in [
      (drain, path.policy.drainMilliseconds), (gap, path.policy.gapMilliseconds),
    ] {
      try Self.checkRange(
        time, VirtioConsolePortPolicy.allowedMilliseconds, at: property,
        "a client's change cannot take so many milliseconds")
    }
    guard drain == 0 || port.policy.onHostClose == .discard else {
      throw ConfigurationError(
        .conflict, at: path.policy.drainMilliseconds, given: "\(drain)",
        "what is drained is discarded, and \(path.policy.onHostClose, "keep") keeps it",
        "give one of them")
    }
    guard port.isConsole || !port.attachment.replaysOutput else {
      throw ConfigurationError(
        .conflict, at: path.backend(isIdentified: false).socket.replaySize,
        "a channel keeps what it has no client for in the guest, and repeats nothing",
        "leave it out; it is for consoles and \(PropertyPath.root.serialPort)")
    }
  }

  /// A name becomes a file's under `/dev/virtio-ports`, and is used once in a machine (also not by two
  /// devices, as in QEMU). A port may go without.
  private mutating func checkName(
    _ name: String?, at path: PropertyPath
  ) throws(ConfigurationError) {
    guard let name else { return }
    func error(
      _ code: ConfigurationError.Code, _ problem: ConfigurationError.Text,
      _ remedy: ConfigurationError.Text = "choose another name"
    ) -> ConfigurationError {
      ConfigurationError(code, at: path, given: name, problem, remedy)
    }
    let bytes = Array(name.utf8)
    guard !bytes.isEmpty else {
      throw error(.missing, "the name is empty", "give e.g. \(path, "org.example.port.0")")
    }
    guard bytes.count <= VirtioConsolePortConfiguration.maximumNameLength else {
      throw error(.outOfRange, "the name has \(bytes.count) bytes, and at most 255 fit")
    }
    guard !bytes.contains(UInt8(ascii: "/")) else {
      throw error(.invalid, "the name holds \"/\", and it becomes a file name in the guest")
    }
    guard !bytes.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
      throw error(.invalid, "the name holds a control character")
    }
    guard name != ".", name != ".." else {
      throw error(.invalid, "the name means a directory in the guest")
    }
    guard names.insert(bytes).inserted else {
      throw error(.portExists, "A port already exists by name \(PlainText.shortened(name))")
    }
  }

  private mutating func checkIdentifier(
    _ id: String?, at path: PropertyPath
  ) throws(ConfigurationError) {
    guard let id else { return }
    try Identifier.check(id, at: path)
    guard identifiers.insert(Array(id.utf8)).inserted else {
      throw ConfigurationError(
        .inUse, at: path, given: id, "Duplicate device ID '\(id)'", "give another id, or none")
    }
  }
}

/// QEMU's identifiers, of at most 256 bytes.
package enum Identifier {
  static func check(_ id: String, at path: PropertyPath) throws(ConfigurationError) {
    guard id.utf8.count <= ForeignText.largestName else {
      throw ConfigurationError(
        .outOfRange, at: path, given: id,
        "the id has more than \(ForeignText.largestName) bytes", "give e.g. \(path, "vs0")")
    }
    guard isWellFormed(id) else {
      throw ConfigurationError(
        .invalid, at: path, given: id,
        "this is no identifier: a letter, then letters, digits, \"-\", \".\" and \"_\"",
        "give e.g. \(path, "vs0")")
    }
  }

  /// Whether it is a letter, then letters, digits, `-`, `.` and `_`.
  package static func isWellFormed(_ id: String) -> Bool {
    func isLetter(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    guard let first = id.utf8.first, isLetter(first) else { return false }
    return id.utf8.allSatisfy { byte in
      isLetter(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || "-._".utf8.contains(byte)
    }
  }
}

// MARK: Numbers

extension VirtioConsoleDeviceConfiguration {
  /// The number that each of the ports gets, in their order.
  public var portNumbers: [Int] {
    get throws(ConfigurationError) {
      try ConsoleDeviceRules.checkRange(
        maximumPortCount, Self.allowedMaximumPortCounts, at: .root.maximumPortCount,
        "a device cannot have room for so many ports")
      var numbers = PortNumbers(limit: maximumPortCount)
      var result = [Int](repeating: 0, count: ports.count)
      for servesWishes in [true, false] {
        for (index, port) in ports.enumerated() where (port.number != nil) == servesWishes {
          do throws(PortError) {
            result[index] = Int(try numbers.take(for: PortConfiguration(port)))
          } catch {
            throw ConfigurationError(error, port, at: index, maximumPortCount: maximumPortCount)
          }
        }
      }
      return result
    }
  }
}

extension ConfigurationError {
  /// What a device has against a port, seen from the device.
  init(
    _ error: PortError, _ port: VirtioConsolePortConfiguration, at index: Int,
    maximumPortCount: Int
  ) {
    let path = PropertyPath.root.port(index, isConsole: port.isConsole).number
    let room = PropertyPath.root.maximumPortCount
    let (code, remedy): (Code, Text) =
      switch error {
      case .numberReserved:
        (.conflict, "give \(path, "1") or higher, or leave \(path) out")
      case .numberTaken: (.portExists, "give another number, or leave \(path) out")
      case .numberOutOfRange:
        (.portNumberOutOfRange, Self.remedy(forNumber: port.number ?? 0, maximumPortCount))
      case .noFreeNumber:
        (.tooManyPorts, "leave some ports out, or give the device more \(room)")
      case .nameTaken: (.portExists, "choose another name")
      case .noSuchPort: (.notFound, "give the number of a port")
      }
    // A sentence of QEMU's own ends with a full stop.
    let problem =
      error.description.last == "." ? error.description.dropLast() : error.description[...]
    // Without a number, the whole port is at fault.
    self.init(
      code, at: port.number == nil ? .root.port(index, isConsole: port.isConsole) : path,
      given: port.number.map(String.init) ?? "", Text(String(problem)), remedy)
  }

  private static func remedy(forNumber number: Int, _ maximumPortCount: Int) -> Text {
    let needed = number.addingReportingOverflow(1).partialValue
    guard VirtioConsoleDeviceConfiguration.allowedMaximumPortCounts.contains(needed) else {
      return "give a number below \(maximumPortCount)"
    }
    return "give a number below \(maximumPortCount), or the device"
      + " \(PropertyPath.root.maximumPortCount, "\(needed)")"
  }
}
