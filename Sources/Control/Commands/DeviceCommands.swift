/// Ports and devices that come and go.
enum DeviceCommands {
  static let all = [
    Command("device_add", add),
    Command("device_del", remove),
  ]

  private static func add(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let driver = try arguments.name("driver")
    switch driver {
    case "virtserialport", "virtconsole":
      try context.machine.addPort(try port(driver, &arguments))
    case "virtio-serial-pci", "virtio-serial", "virtio-serial-pci-non-transitional":
      try context.machine.addSerialDevice(try serialDevice(driver, &arguments))
    default: throw QMPError("'\(driver)' is not a valid device model name")
    }
    return .done
  }

  private static func port(
    _ driver: String, _ arguments: inout Arguments
  ) throws(QMPError) -> PortRequest {
    let request = PortRequest(
      isConsole: driver == "virtconsole",
      id: try identifier(&arguments),
      name: try arguments.optionalScalar("name", isASCII: false),
      chardev: try arguments.optionalScalar("chardev"),
      bus: try arguments.optionalScalar("bus"),
      number: try number("nr", &arguments))
    try end(driver, arguments)
    return request
  }

  /// What QEMU calls the one bus, by the machine it is in.
  private static let buses = ["pci.0", "pcie.0"]

  private static func serialDevice(
    _ driver: String, _ arguments: inout Arguments
  ) throws(QMPError) -> SerialDeviceRequest {
    let request = SerialDeviceRequest(
      id: try identifier(&arguments),
      maximumPortCount: try number("max_ports", &arguments),
      vectorCount: try number("vectors", &arguments),
      slot: try slot(&arguments))
    if let bus = try arguments.optionalScalar("bus"), !Self.buses.contains(bus) {
      throw QMPError("Bus '\(bus)' not found")
    }
    try end(driver, arguments)
    return request
  }

  private static func remove(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let id = try arguments.name("id")
    try arguments.end()
    try context.machine.removeDevice(id: id)
    return .done
  }

  /// A letter, then letters, digits, `-`, `.` and `_`, as QEMU has it.
  private static func identifier(_ arguments: inout Arguments) throws(QMPError) -> String? {
    guard let id = try arguments.optionalScalar("id") else { return nil }
    let isLetter = { (byte: UInt8) in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    let isValid = id.utf8.allSatisfy { byte in
      isLetter(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || "-._".utf8.contains(byte)
    }
    guard isValid, let first = id.utf8.first, isLetter(first) else {
      throw QMPError("Parameter 'id' expects an identifier")
    }
    return id
  }

  private static func number(
    _ name: String, _ arguments: inout Arguments
  ) throws(QMPError) -> Int? {
    guard let text = try arguments.optionalScalar(name) else { return nil }
    guard let number = Int(text), number >= 0 else {
      throw QMPError("Parameter '\(name)' expects integer")
    }
    return number
  }

  /// A slot as `-device` has it.
  private static func slot(_ arguments: inout Arguments) throws(QMPError) -> Int? {
    guard let text = try arguments.optionalScalar("addr") else { return nil }
    do throws(KeyProblem) {
      return try ValueKind.slot(text, of: "virtio-serial-pci.addr")
    } catch {
      throw QMPError(error.problem)
    }
  }

  private static func end(_ driver: String, _ arguments: Arguments) throws(QMPError) {
    guard let name = arguments.firstUnknown else { return }
    throw QMPError("Property '\(driver).\(name)' not found")
  }
}
