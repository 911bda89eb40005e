import Chardev
import Control
import Host
import VirtioConsole

// Ports: what they do, and those that come and go.
extension ControlledMachine {
  var ports: [PortStatus] {
    machine.serialLines.map { PortStatus($0, serial: serialLabel) } + virtioPorts
  }

  /// Those of the virtio-serial devices.
  var virtioPorts: [PortStatus] {
    let totals = machine.deviceStatistics
    return owner.configuration.consoleDevices.enumerated().flatMap { index, device in
      let label = device.label(index: index)
      let numbered = Dictionary<Int, PortStatistics>(
        (totals.indices.contains(index) ? totals[index].ports : []).map { ($0.number, $0) },
        uniquingKeysWith: { first, _ in first })
      let chardevs = machine.chardevs(ofDevice: index)
      return device.ports.compactMap { port in
        port.number.flatMap { numbered[$0] }.map { total in
          PortStatus(total, port, device: label, chardev: chardevs[UInt32(total.number)])
        }
      }
    }
  }

  func isOpenInGuest(port word: String) -> Bool? {
    for (index, device) in owner.configuration.consoleDevices.enumerated() {
      for port in device.ports where port.isMeant(by: word) {
        let number = UInt32(clamping: port.number ?? 0)
        return machine.portIsOpenInGuest(number, ofDevice: index)
      }
    }
    return nil
  }

  func addPort(_ request: PortRequest) throws(QMPError) {
    let driver = request.isConsole ? "virtconsole" : "virtserialport"
    try requireNewID(request.id)
    let device = try device(ofBus: request.bus, driver: driver)
    var attachment = ChardevConfiguration.none
    if let id = request.chardev { attachment = try spare(id, driver: driver) }
    let port = VirtioConsolePortConfiguration(
      id: request.id, number: request.number, name: request.name, isConsole: request.isConsole,
      attachment: attachment)
    do throws(ConfigurationError) { _ = try owner.add(port, toDeviceAt: device) } catch {
      throw QMPError(error)
    }
  }

  /// A host end that a port may have.
  private func spare(_ id: String, driver: String) throws(QMPError) -> ChardevConfiguration {
    let property = "Property '\(driver).chardev'"
    if let spare = owner.configuration.characterDevices.first(where: { $0.id == id }) {
      return spare
    }
    let used = owner.configuration.frontEnds.first { $0.id == id }
    guard let used else { throw QMPError("\(property) can't find value '\(id)'") }
    guard used.isMultiplexed else {
      throw QMPError("\(property) can't take value '\(id)': Device '\(id)' is in use")
    }
    return used
  }

  private func device(ofBus bus: String?, driver: String) throws(QMPError) -> Int {
    let devices = owner.configuration.consoleDevices
    guard let bus else {
      guard !devices.isEmpty else {
        throw QMPError("No 'virtio-serial-bus' bus found for device '\(driver)'")
      }
      return 0
    }
    guard let index = devices.busNames.firstIndex(of: bus) else {
      throw QMPError("Bus '\(bus)' not found")
    }
    return index
  }

  func requireNewID(_ id: String?) throws(QMPError) {
    let devices = owner.configuration.consoleDevices
    let ids = devices.map(\.id) + devices.flatMap { $0.ports.map(\.id) }
    guard let id, ids.contains(id) else { return }
    throw QMPError("Duplicate device ID '\(id)'")
  }

  func plug(
    option: String, value: String, directory: String,
    check: (ChardevConfiguration) throws(QMPError) -> Void
  ) throws(QMPError) {
    guard let parse = owner.hooks.parsePort else {
      throw QMPError("this machine's program has no command line; use device_add")
    }
    var (bus, port) = try parsed("--" + option, value, parse)
    try check(port.attachment)
    port.attachment = port.attachment.resolved(in: directory)
    // An id that the machine knows is that backend; what else the words say of it is unknown here.
    if let id = port.attachment.id, owner.hostEnds.registry.has(id) {
      throw QMPError(
        "--\(option) chardev=\(id): there is a backend of this id already;"
          + " give another id, or use device_add")
    }
    let index: Int
    do throws(QMPError) { index = try device(ofBus: bus, driver: option) } catch {
      throw QMPError("--\(option): \(error.description)")
    }
    do throws(ConfigurationError) { _ = try owner.add(port, toDeviceAt: index) } catch {
      throw QMPError(owner.hooks.spell(error))
    }
  }

  private func parsed(
    _ option: String, _ value: String, _ parse: ProgramHooks.PortParser
  ) throws(QMPError) -> (bus: String?, port: VirtioConsolePortConfiguration) {
    do throws(ProgramHooks.ParseError) { return try parse(option, value) } catch {
      throw QMPError(error.description)
    }
  }

  func connect(toPort word: String) throws(QMPError) -> FileDescriptor {
    for (index, device) in owner.configuration.consoleDevices.enumerated() {
      for port in device.ports where port.isMeant(by: word) {
        guard let number = port.number.flatMap(UInt32.init(exactly:)),
          let chardev = machine.chardev(ofPort: number, ofDevice: index)
        else { continue }
        do throws(ChardevError) { return try ClientConnection.open(to: chardev) } catch {
          throw QMPError("port '\(word)' (\(chardev.filename)): \(error.description)")
        }
      }
    }
    throw QMPError("there is no port '\(word)'", class: .deviceNotFound)
  }
}

extension VirtioConsolePortConfiguration {
  /// Whether a client means this port by its word.
  fileprivate func isMeant(by word: String) -> Bool {
    // By bytes: two spellings of an accent are two names.
    [id, name].contains { $0.map { $0.utf8.elementsEqual(word.utf8) } ?? false }
  }
}

extension PortStatus {
  fileprivate init(
    _ report: PortStatistics, _ port: VirtioConsolePortConfiguration, device: String,
    chardev: (any Chardev)?
  ) {
    self.init(
      device: device, number: report.number, name: report.name, isConsole: report.isConsole,
      chardev: port.chardevLabel(ofDevice: device))
    id = port.id
    filename = chardev?.filename ?? ""
    add(report)
    guard let chardev else { return }
    (waitingClientCount, queuedClientCount) = ClientConnection.queue(of: chardev)
  }

  fileprivate init(_ line: Machine.SerialLine, serial: String) {
    self.init(
      device: line.label, number: 0, name: nil, isConsole: true,
      chardev: line.label == "serial" ? serial : line.label)
    filename = line.filename
    add(line.statistics)
  }

  private mutating func add(_ report: PortStatistics) {
    isOpenInGuest = report.isOpenInGuest
    isOpenOnHost = report.isOpenOnHost
    isThrottled = report.isThrottled
    bytesToHost = report.bytesToHost
    bytesToGuest = report.bytesToGuest
    bytesDropped = report.bytesDropped
    bytesDiscarded = report.bytesDiscarded
    throttleCount = report.throttleCount
    connectionCount = report.connectionCount
  }
}
