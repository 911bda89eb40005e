import Chardev
import Host
import SwiftVM

/// Ports and devices that come and go, and what they are doing.
enum DeviceCommands {
  static let all = [
    Command(
      "device_add", .name("driver"),
      .rest(
        ["id", "name", "chardev", "bus", "nr"] + PolicyKey.all.map(\.name)
          + ["max_ports", "vectors", "addr"]),
      help: "Adds a port (driver virtserialport or virtconsole) to a device, or a virtio-serial"
        + " device (virtio-serial-pci) on PCI. A device is plugged by ACPI, as stock kernels handle"
        + " it, and only into a machine that began with a control socket: others spare the guest 31"
        + " slots, and the kernel's line for each.", add),
    Command(
      "device_del", .name("id"),
      help:
        "Removes a port at once, or asks the guest to let a device go. DEVICE_DELETED tells when"
        + " it is gone.",
      remove),
    Command(
      "x-swiftvm-query-ports",
      help: "Each port, by device and number: who has it open, what it leads to, bytes in both"
        + " directions, dropped and discarded, clients that have come, wait and queue.",
      tells: { .array($0.engine.portReports.map(json)) }),
    Command(
      "x-swiftvm-wait-open", .portName("port"), .optionalTimeout("timeout"),
      help: "Replies once the guest has the port of this id or name open, or after so many seconds"
        + " with an error.", waitOpen),
    Command(
      "x-swiftvm-connect", .portName("port"),
      help: "Connects to a port whose backend listens, or is a pseudo-terminal, and passes the"
        + " connection to the client (SCM_RIGHTS).", connect),
    Command(
      "x-swiftvm-plug", .name("option"), .text("value"), .text("directory"),
      help: "Adds a port as an option of swiftvm run describes it. Relative paths start from the"
        + " directory.", plug),
  ]

  // MARK: Ports and devices that come and go

  private static func add(
    _ context: CommandContext, driver: String, properties: Arguments
  ) throws(QMPError) -> Command.Outcome {
    var properties = properties
    switch driver {
    case "virtserialport", "virtconsole": try addPort(driver, &properties, context)
    case "virtio-serial-pci", "virtio-serial", "virtio-serial-pci-non-transitional":
      try addDevice(driver, &properties, context)
    default: throw QMPError("'\(driver)' is not a valid device model name")
    }
    return .done
  }

  private static func addPort(
    _ driver: String, _ properties: inout Arguments, _ context: CommandContext
  ) throws(QMPError) {
    let id = try identifier(&properties)
    let name = try properties.optional(.scalar("name", isASCII: false))
    let chardev = try properties.optional(.scalar("chardev"))
    let bus = try properties.optional(.scalar("bus"))
    let number = try number("nr", &properties)
    let policy = try PolicyKey.policy(forConsole: driver == "virtconsole") {
      (key) throws(QMPError) in
      guard let text = try properties.optional(.scalar(key.name)) else { return nil }
      do throws(KeyProblem) { return try key.kind.read(text, of: key.name) } catch {
        throw key.kind == .number
          ? QMPError("Parameter '\(key.name)' expects integer")
          : Arguments.noSuchValue(key.name, text)
      }
    }
    try end(driver, properties)
    try requireNewID(id, context)
    let device = try device(ofBus: bus, driver: driver, context)
    var attachment = ChardevConfiguration.none
    if let chardev { attachment = try spare(chardev, driver: driver, context) }
    let port = VirtioConsolePortConfiguration(
      id: id, number: number, name: name, isConsole: driver == "virtconsole",
      attachment: attachment, policy: policy)
    try context.perform { (machine) throws(ConfigurationError) in
      _ = try machine.add(port, to: device)
    }
  }

  /// A backend that a port may have.
  private static func spare(
    _ id: String, driver: String, _ context: CommandContext
  ) throws(QMPError) -> ChardevConfiguration {
    let property = "Property '\(driver).chardev'"
    let configuration = context.engine.configuration
    if let spare = configuration.characterDevices.first(where: { $0.id == id }) { return spare }
    guard let used = configuration.frontEnds.first(where: { $0.id == id }) else {
      throw QMPError("\(property) can't find value '\(id)'")
    }
    guard used.isMultiplexed else {
      throw QMPError("\(property) can't take value '\(id)': Device '\(id)' is in use")
    }
    return used
  }

  private static func device(
    ofBus bus: String?, driver: String, _ context: CommandContext
  ) throws(QMPError) -> MachineDevice {
    let device = bus.map { context.engine.device(ofBus: $0) } ?? context.engine.devices.first
    guard let device else {
      throw QMPError(
        bus.map { "Bus '\($0)' not found" }
          ?? "No 'virtio-serial-bus' bus found for device '\(driver)'")
    }
    return device
  }

  /// What QEMU calls the one bus, by the machine it is in.
  private static let buses = ["pci.0", "pcie.0"]

  private static func addDevice(
    _ driver: String, _ properties: inout Arguments, _ context: CommandContext
  ) throws(QMPError) {
    var device = VirtioConsoleDeviceConfiguration(id: try identifier(&properties), ports: [])
    if let count = try number("max_ports", &properties) { device.maximumPortCount = count }
    device.vectorCount = try number("vectors", &properties)
    device.slot = try slot(&properties)
    if let bus = try properties.optional(.scalar("bus")), !buses.contains(bus) {
      throw QMPError("Bus '\(bus)' not found")
    }
    try end(driver, properties)
    try requireNewID(device.id, context)
    try context.perform { (machine) throws(ConfigurationError) in try machine.add(device) }
  }

  private static func remove(
    _ context: CommandContext, id: String
  ) throws(QMPError) -> Command.Outcome {
    if let port = context.engine.port(id: id) {
      context.engine.remove(port)
    } else if let device = context.engine.device(id: id) {
      try context.perform { (machine) throws(ConfigurationError) in
        try machine.requestRemoval(of: device)
      }
    } else {
      throw QMPError("Device '\(id)' not found", class: .deviceNotFound)
    }
    return .done
  }

  private static func requireNewID(
    _ id: String?, _ context: CommandContext
  ) throws(QMPError) {
    guard let id else { return }
    guard context.engine.device(id: id) == nil, context.engine.port(id: id) == nil else {
      throw QMPError("Duplicate device ID '\(id)'")
    }
  }

  // MARK: Properties

  private static func identifier(_ properties: inout Arguments) throws(QMPError) -> String? {
    guard let id = try properties.optional(.scalar("id")) else { return nil }
    guard Identifier.isWellFormed(id) else {
      throw QMPError("Parameter 'id' expects an identifier")
    }
    return id
  }

  private static func number(
    _ name: String, _ properties: inout Arguments
  ) throws(QMPError) -> Int? {
    guard let text = try properties.optional(.scalar(name)) else { return nil }
    guard let number = Int(digits: text) else {
      throw QMPError("Parameter '\(name)' expects integer")
    }
    return number
  }

  /// A slot as `-device` has it.
  private static func slot(_ properties: inout Arguments) throws(QMPError) -> Int? {
    guard let text = try properties.optional(.scalar("addr")) else { return nil }
    do throws(KeyProblem) {
      return try ValueKind.slot(text, of: "virtio-serial-pci.addr")
    } catch {
      throw QMPError(error.problem)
    }
  }

  private static func end(_ driver: String, _ properties: Arguments) throws(QMPError) {
    guard let name = properties.firstUnknown else { return }
    throw QMPError("Property '\(driver).\(name)' not found")
  }

  // MARK: What QEMU does not tell of ports

  private static func json(_ port: PortReport) -> JSONValue {
    let statistics = port.statistics
    return [
      "device": .string(port.device), "nr": .integer(statistics.number),
      "id": port.id.map { .string($0) }, "name": statistics.name.map { .string($0) },
      "console": .bool(statistics.isConsole), "guest-open": .bool(statistics.isOpenInGuest),
      "host-open": .bool(statistics.isOpenOnHost), "throttled": .bool(statistics.isThrottled),
      "chardev": .string(port.chardev), "filename": .string(port.filename),
      "bytes-to-host": .integer(statistics.bytesToHost),
      "bytes-to-guest": .integer(statistics.bytesToGuest),
      "bytes-dropped": .integer(statistics.bytesDropped),
      "bytes-discarded": .integer(statistics.bytesDiscarded),
      "throttles": .integer(statistics.throttleCount),
      "connections": .integer(statistics.connectionCount),
      "clients-waiting": .integer(port.waitingClientCount),
      "clients-queued": .integer(port.queuedClientCount),
    ]
  }

  private static func waitOpen(
    _ context: CommandContext, port: String, milliseconds: Int?
  ) throws(QMPError) -> Command.Outcome {
    guard context.engine.port(port) != nil else { throw notFound(port) }
    return .later(
      Command.Wait(
        milliseconds: milliseconds,
        lateReply: QMPError("the guest has not opened port '\(port)' within the timeout")
      ) { [weak server = context.server] in
        guard let server else { return nil }
        guard let found = server.machine.engine.port(port) else { return .failure(notFound(port)) }
        return found.isOpenInGuest ? .success([:]) : nil
      })
  }

  private static func connect(
    _ context: CommandContext, port: String
  ) throws(QMPError) -> Command.Outcome {
    guard let chardev = context.engine.port(port)?.chardev else { throw notFound(port) }
    guard context.carriesDescriptors else {
      throw QMPError("a connection can be passed on over a Unix socket only; use one")
    }
    do throws(ChardevError) {
      return .descriptor(PassedDescriptor(try ClientConnection.open(to: chardev)))
    } catch {
      throw QMPError("port '\(port)' (\(chardev.filename)): \(error.description)")
    }
  }

  private static func plug(
    _ context: CommandContext, option: String, value: String, directory: String
  ) throws(QMPError) -> Command.Outcome {
    guard let parser = context.server.portParser else {
      throw QMPError("this machine's program has no command line; use device_add")
    }
    var (bus, port) = try parser.parse("--" + option, value)
    if port.attachment.opensHost { try context.requireHost() }
    port.attachment = port.attachment.resolved(in: directory)
    // An id that the machine knows is that backend; what else the words say of it is unknown here.
    if let id = port.attachment.id, context.engine.hasChardev(id: id) {
      throw QMPError(
        "--\(option) chardev=\(id): there is a backend of this id already; "
          + "give another id, or use device_add")
    }
    try context.server.requireRoom(for: port.attachment)
    let device: MachineDevice
    do throws(QMPError) { device = try self.device(ofBus: bus, driver: option, context) } catch {
      throw QMPError("--\(option): \(error.description)")
    }
    do throws(ConfigurationError) { _ = try context.engine.add(port, to: device) } catch {
      throw QMPError(parser.spell(error))
    }
    return .done
  }

  private static func notFound(_ port: String) -> QMPError {
    QMPError("there is no port '\(port)'", class: .deviceNotFound)
  }
}

extension ChardevConfiguration {
  /// The same, paths that are not absolute counted from a directory.
  func resolved(in directory: String) -> ChardevConfiguration {
    func absolute(_ path: String) -> String {
      path.utf8.first == UInt8(ascii: "/") ? path : directory + "/" + path
    }
    var resolved = self
    if let log { resolved.log?.path = absolute(log.path) }
    switch backend {
    case .file(var file):
      file.output = file.output.map(absolute)
      file.input = file.input.map(absolute)
      resolved.backend = .file(file)
    case .socket(var socket):
      guard case .unix(let path) = socket.address else { break }
      socket.address = .unix(path: absolute(path))
      resolved.backend = .socket(socket)
    case .pipe(let path): resolved.backend = .pipe(path: absolute(path))
    case .pseudoTerminal(let link):
      resolved.backend = .pseudoTerminal(link: link.map(absolute))
    case .several(let members):
      resolved.backend = .several(members.map { $0.resolved(in: directory) })
    case .null, .standardIO, .datagram, .ringBuffer, .descriptor, .program: break
    }
    return resolved
  }
}
