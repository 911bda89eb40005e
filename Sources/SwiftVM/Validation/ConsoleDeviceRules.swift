import Boot
import Host
import VirtioConsole

/// What a machine's virtio-serial devices and their ports may be: each possible by itself, names and
/// ids used once in the machine, numbers once in a device.
struct ConsoleDeviceRules {
  /// The places of the PCI bus beside the host bridge's.
  static let maximumPCIDeviceCount = 31

  /// What only one device or port can have. Names are bytes, since String's == takes different spellings
  /// of a character for one name.
  private enum Claim: Hashable {
    case name([UInt8])
    case identifier([UInt8])
    case slot(Int)
  }

  private var claims: Set<Claim> = []

  /// Checks all devices of a machine.
  static func check(_ devices: [VirtioConsoleDeviceConfiguration]) throws(ConfigurationError) {
    var rules = ConsoleDeviceRules()
    for (index, device) in devices.enumerated() {
      try rules.check(device, at: PropertyPath.root.consoleDevices[index])
    }
    let count = devices.count { $0.transport != .mmio }
    for (count, limit, place) in [
      (count, maximumPCIDeviceCount, "of the PCI bus"),
      (devices.count - count, AddressMap.virtioMMIOCapacity, "that mmio has room for"),
    ] {
      try GivenValue("", at: .root.consoleDevices).require(
        count <= limit, else: .tooManyDevices,
        "\(count) devices are more than the \(limit) \(place)",
        "leave some out; one device has room for 32765 ports")
    }
  }

  private mutating func check(
    _ device: VirtioConsoleDeviceConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    try checkIdentifier(device.id, at: path.id)
    if let count = device.vectorCount {
      try GivenValue.require(
        count, in: VirtioConsoleDeviceConfiguration.allowedVectorCounts, at: path.vectorCount,
        "a device cannot have so many interrupt vectors")
      try GivenValue(count, at: path.vectorCount).require(
        device.transport != .mmio, else: .conflict, "a device on mmio has a single interrupt",
        "leave \(path.vectorCount) out")
    }
    if let slot = device.slot { try check(slot, of: device, at: path.slot) }
    for (index, port) in device.ports.enumerated() {
      try check(port, at: path.port(index, isConsole: port.isConsole))
    }
    let numbers: [Int]
    do throws(ConfigurationError) { numbers = try device.portNumbers } catch {
      throw error.inside(path)
    }
    try GivenValue("off", at: path.features.multiport).require(
      device.features.multiport || numbers.allSatisfy { $0 == 0 }, else: .conflict,
      "such a device has one port, a virtconsole with number 0",
      "give its other ports to another device")
  }

  private mutating func check(
    _ slot: Int, of device: VirtioConsoleDeviceConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    let given = GivenValue("0x" + String(slot, radix: 16), at: path)
    try given.require(
      device.transport != .mmio, else: .conflict, "a device on mmio has no slot of the PCI bus",
      "leave \(path) out")
    try given.require(
      VirtioConsoleDeviceConfiguration.allowedSlots.contains(slot), else: .outOfRange,
      "the PCI bus has no such slot for a device", "give \(path, "") from 0x1 to 0x1f")
    try given.require(
      claims.insert(.slot(slot)).inserted, else: .inUse, "PCI: slot \(slot) is in use already",
      "give every device a slot of its own")
  }

  // MARK: Ports

  private mutating func check(
    _ port: VirtioConsolePortConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    try checkIdentifier(port.id, at: path.id)
    if let name = port.name { try checkName(GivenValue(name, at: path.name)) }
    try GivenValue.require(
      port.policy.weight, in: VirtioConsolePortPolicy.allowedWeights, at: path.policy.weight,
      "a port cannot have this weight")
    let drain = port.policy.drainMilliseconds
    for (time, property) in [
      (drain, path.policy.drainMilliseconds),
      (port.policy.gapMilliseconds, path.policy.gapMilliseconds),
    ] {
      try GivenValue.require(
        time, in: VirtioConsolePortPolicy.allowedMilliseconds, at: property,
        "a client's change cannot take so many milliseconds")
    }
    try GivenValue(drain, at: path.policy.drainMilliseconds).require(
      drain == 0 || port.policy.onHostClose == .discard, else: .conflict,
      "what is drained is discarded, and \(path.policy.onHostClose, "keep") keeps it",
      "give one of them")
    try GivenValue("", at: path.backend(isIdentified: false).socket.replaySize).require(
      port.isConsole || !port.attachment.replaysOutput, else: .conflict,
      "a channel keeps what it has no client for in the guest, and repeats nothing",
      "leave it out; it is for consoles and \(PropertyPath.root.serialPort)")
  }

  /// A name becomes a file's under `/dev/virtio-ports`, and is used once in a machine (also not by two
  /// devices, as in QEMU).
  private mutating func checkName(_ name: GivenValue) throws(ConfigurationError) {
    let bytes = Array(name.text.utf8)
    try name.require(
      !bytes.isEmpty, else: .missing, "the name is empty",
      "give e.g. \(name.property, "org.example.port.0")")
    let another: ConfigurationError.Text = "choose another name"
    try name.require(
      bytes.count <= VirtioConsolePortConfiguration.maximumNameLength, else: .outOfRange,
      "the name has \(bytes.count) bytes, and at most 255 fit", another)
    try name.require(
      !bytes.contains(UInt8(ascii: "/")), else: .invalid,
      "the name holds \"/\", and it becomes a file name in the guest", another)
    try name.require(
      !bytes.contains { $0 < 0x20 || $0 == 0x7f }, else: .invalid,
      "the name holds a control character", another)
    try name.require(
      ![Array(".".utf8), Array("..".utf8)].contains(bytes), else: .invalid,
      "the name means a directory in the guest", another)
    try name.require(
      claims.insert(.name(bytes)).inserted, else: .portExists,
      "A port already exists by name \(PlainText.shortened(name.text))", another)
  }

  private mutating func checkIdentifier(
    _ id: String?, at path: PropertyPath
  ) throws(ConfigurationError) {
    guard let id else { return }
    let given = GivenValue(id, at: path)
    try given.requireIdentifier()
    try given.require(
      claims.insert(.identifier(Array(id.utf8))).inserted, else: .inUse,
      "Duplicate device ID '\(id)'", "give another id, or none")
  }
}

extension GivenValue {
  /// Refuses what is not one of QEMU's identifiers, of at most 256 bytes.
  func requireIdentifier() throws(ConfigurationError) {
    try require(
      text.utf8.count <= ForeignText.largestName, else: .outOfRange,
      "the id has more than \(ForeignText.largestName) bytes", "give e.g. \(property, "vs0")")
    try require(
      Identifier.isWellFormed(text), else: .invalid,
      "this is no identifier: a letter, then letters, digits, \"-\", \".\" and \"_\"",
      "give e.g. \(property, "vs0")")
  }
}

/// QEMU's identifiers.
package enum Identifier {
  /// Whether it is a letter, then letters, digits, `-`, `.` and `_`.
  package static func isWellFormed(_ id: String) -> Bool {
    func isLetter(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    guard let first = id.utf8.first, isLetter(first) else { return false }
    return id.utf8.allSatisfy { isLetter($0) || "0123456789-._".utf8.contains($0) }
  }
}

// MARK: Numbers

extension VirtioConsoleDeviceConfiguration {
  /// The number that each of the ports gets, in their order.
  public var portNumbers: [Int] {
    get throws(ConfigurationError) {
      try GivenValue.require(
        maximumPortCount, in: Self.allowedMaximumPortCounts, at: .root.maximumPortCount,
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
