import Chardev
import Host
import VirtioConsole

// Callable on any thread, before, while and after the machine runs. A call waits until the machine's
// thread has done it, which is a matter of milliseconds.
extension VirtualMachine {
  /// What every device is doing; after the end, what it was doing then.
  public var consoleDeviceReports: [VirtioConsoleDeviceReport] {
    gate.perform { [self] in
      let devices = machine.deviceStatistics
      return configuration.consoleDevices.enumerated().map { index, device in
        var report = devices.indices.contains(index) ? devices[index] : DeviceStatistics()
        report.label = device.label(index: index)
        return report
      }
    }
  }

  /// Every port with its backend: the serial consoles, then device by device. On the machine's thread.
  package var ports: [PortReport] {
    let lines = machine.serialLines.map { line in
      let label = line.label == "serial" ? configuration.serialPort.label : line.label
      return PortReport(
        device: line.label, id: nil, statistics: line.statistics, chardev: label,
        filename: line.filename)
    }
    return lines + virtioPorts
  }

  /// Those of the virtio-serial devices.
  var virtioPorts: [PortReport] {
    let devices = machine.deviceStatistics
    return configuration.consoleDevices.enumerated().flatMap { index, device in
      let label = device.label(index: index)
      let numbered = Dictionary<Int, PortStatistics>(
        (devices.indices.contains(index) ? devices[index].ports : []).map { ($0.number, $0) },
        uniquingKeysWith: { first, _ in first })
      let chardevs = machine.chardevs(ofDevice: index)
      return device.ports.compactMap { port -> PortReport? in
        guard let number = port.number, let statistics = numbered[number] else { return nil }
        let chardev = chardevs[UInt32(clamping: number)]
        var report = PortReport(
          device: label, id: port.id, statistics: statistics,
          chardev: port.chardevLabel(ofDevice: label), filename: chardev?.filename ?? "")
        guard let chardev else { return report }
        (report.waitingClientCount, report.queuedClientCount) = ClientConnection.queue(of: chardev)
        return report
      }
    }
  }

  /// Whether the guest has a port open, by the port's id or name; nil where there is no such port. On the
  /// machine's thread.
  package func isOpenInGuest(port word: String) -> Bool? {
    place(ofPort: word).map { machine.portIsOpenInGuest($0.number, ofDevice: $0.device) }
  }

  /// A port's backend, by the port's id or name. On the machine's thread.
  package func chardev(ofPort word: String) -> (any Chardev)? {
    place(ofPort: word).flatMap { machine.chardev(ofPort: $0.number, ofDevice: $0.device) }
  }

  private func place(ofPort word: String) -> (device: Int, number: UInt32)? {
    for (index, device) in configuration.consoleDevices.enumerated() {
      for port in device.ports {
        // By bytes: two spellings of an accent are two names.
        let isMeant = [port.id, port.name].contains { $0?.utf8.elementsEqual(word.utf8) == true }
        if isMeant { return (index, UInt32(clamping: port.number ?? 0)) }
      }
    }
    return nil
  }

  /// The serial console, as `serial`, and an emergency output with a host end of its own, as
  /// `emergency`: each a device with one console port; none where there is no host end.
  public var serialPortReports: [VirtioConsoleDeviceReport] {
    gate.perform { [self] in
      machine.serialLines.map { line in
        VirtioConsoleDeviceReport(label: line.label, ports: [line.statistics])
      }
    }
  }

  /// Adds a port to a device. A running guest is told at once, and finds it again after each
  /// reset.
  ///
  /// - Parameters:
  ///   - port: any but one on standard input and output, which is given out at the start.
  ///   - device: the device's id; nil for the first.
  /// - Returns: the port's number.
  /// - Throws: what the user has to change, having changed nothing.
  @discardableResult
  public func addPort(
    _ port: VirtioConsolePortConfiguration, toDevice device: String? = nil
  ) throws(ConfigurationError) -> Int {
    try gate.perform { [self] in
      Result { () throws(ConfigurationError) in try add(port, toDevice: device) }
    }.get()
  }

  /// Removes the port with this id, which no guest needs to agree to. What its client takes at once
  /// is passed on to it, then the host end is closed.
  public func removePort(id: String) throws(ConfigurationError) {
    try removePort(PropertyPath.root.consoleDevices.ports.id, id) { $0.id == id }
  }

  /// Removes the port that has this name in the guest, as `removePort(id:)` does.
  public func removePort(named name: String) throws(ConfigurationError) {
    let name = Array(name.utf8)
    let path = PropertyPath.root.consoleDevices.ports.name
    try removePort(path, String(decoding: name, as: UTF8.self)) { port in
      port.name.map { Array($0.utf8) } == name
    }
  }

  // MARK: On the machine's thread

  private func add(
    _ port: VirtioConsolePortConfiguration, toDevice id: String?
  ) throws(ConfigurationError) -> Int {
    try requireLife()
    return try add(port, toDeviceAt: try index(ofDevice: id))
  }

  /// Adds a port to the device of this place. On the machine's thread.
  package func add(
    _ port: VirtioConsolePortConfiguration, toDeviceAt index: Int
  ) throws(ConfigurationError) -> Int {
    var changed = configuration
    // It is the port's from now on.
    if let id = port.attachment.id { changed.characterDevices.removeAll { $0.id == id } }
    let others = changed
    changed.consoleDevices[index].ports.append(port)
    let place = others.consoleDevices[index].ports.count
    let path = PropertyPath.root.consoleDevices[index].port(place, isConsole: port.isConsole)
    let number: Int
    do throws(ConfigurationError) {
      number = try changed.consoleDevices[index].portNumbers.last ?? 0
    } catch {
      throw error.inside(.root.consoleDevices[index])
    }
    changed.consoleDevices[index].ports[place].number = number
    try ConsoleDeviceRules.check(changed.consoleDevices)
    try changed.validate(attachmentsOf: [port], ofDeviceAt: index, from: place, besides: others)
    try FileDescriptorBudget.secure(changed)
    var numbered = port
    numbered.number = number
    let isKnown = port.attachment.id.map { backends.registry.has($0) } ?? true
    let chardev = try backends.openPort(port, at: path)
    do throws(MachinePortError) {
      if !isKnown, !port.attachment.isMultiplexed { try keep(chardev) }
      try machine.addPort((PortConfiguration(numbered), chardev), toDevice: index)
    } catch {
      if !isKnown, let id = port.attachment.id, let new = backends.registry.remove(id: id) {
        machine.release(new)
      }
      switch error {
      case .device(let error):
        let room = changed.consoleDevices[index].maximumPortCount
        throw ConfigurationError(error, numbered, at: place, maximumPortCount: room)
          .inside(.root.consoleDevices[index])
      case .host(let error):
        throw ConfigurationError(.host, at: path, .init(error.description))
      }
    }
    configuration = changed
    return number
  }

  private func removePort(
    _ property: PropertyPath, _ value: String,
    _ isMeant: @escaping @Sendable (VirtioConsolePortConfiguration) -> Bool
  ) throws(ConfigurationError) {
    try gate.perform { [self] in
      Result { () throws(ConfigurationError) in
        try requireLife()
        for (index, device) in configuration.consoleDevices.enumerated() {
          guard let place = device.ports.firstIndex(where: isMeant) else { continue }
          return removePort(at: place, ofDevice: index)
        }
        throw ConfigurationError(
          .notFound, at: property, given: value,
          "there is no such port", "give the id or the name of a port")
      }
    }.get()
  }

  /// Removes the port of this place. Its host end, if that has an id, waits for another. On the
  /// machine's thread.
  func removePort(at place: Int, ofDevice index: Int) {
    let port = configuration.consoleDevices[index].ports.remove(at: place)
    machine.removePort(UInt32(clamping: port.number ?? 0), ofDevice: index)
    backendIsFree(of: port)
    guard machine.isStarted else { return }
    // Who has removed it gets the answer first.
    machine.loop.post { [weak self] in self?.tell(.deviceRemoved(id: port.id)) }
  }

  /// The port is gone from the configuration, and its host end is kept if it has an id.
  func backendIsFree(of port: VirtioConsolePortConfiguration) {
    let others = configuration.frontEnds.map(\.id)
    guard let id = port.attachment.id, !others.contains(id) else { return }
    if port.attachment.isMultiplexed {
      _ = backends.registry.remove(id: id)
    } else {
      configuration.characterDevices.append(port.attachment)
    }
  }

  private func keep(_ chardev: any Chardev) throws(MachinePortError) {
    do throws(SystemError) { try machine.keep(chardev) } catch { throw .host(error) }
  }

  func requireLife() throws(ConfigurationError) {
    guard !hasEnded else {
      throw ConfigurationError(.state, at: .root, "the machine has ended")
    }
  }

  private func index(ofDevice id: String?) throws(ConfigurationError) -> Int {
    let devices = configuration.consoleDevices
    let index = id == nil ? devices.indices.first : devices.firstIndex { $0.id == id }
    if let index { return index }
    throw ConfigurationError(
      .notFound, at: .root.consoleDevices.id, given: id ?? "",
      id == nil ? "the machine has no virtio-serial device" : "there is no such device",
      "give the id of a device")
  }
}

/// One port of a machine, and what it leads to.
package struct PortReport: Equatable, Sendable {
  /// The device's label in reports.
  package let device: String
  package let id: String?
  package let statistics: PortStatistics
  /// What the backend is called, and what it is in QEMU's words.
  package let chardev: String
  package let filename: String
  /// Clients that wait for their turn at the backend, and how many have had to.
  package fileprivate(set) var waitingClientCount = 0
  package fileprivate(set) var queuedClientCount: UInt64 = 0
}

extension VirtualMachineConfiguration {
  /// Checks the backends of ports that come to a running machine, and whose other rules have been
  /// checked.
  ///
  /// - Parameters:
  ///   - index: the place of their device.
  ///   - first: the place of the first of them among the device's ports.
  func validate(
    attachmentsOf ports: [VirtioConsolePortConfiguration], ofDeviceAt index: Int,
    from first: Int = 0, besides existing: VirtualMachineConfiguration
  ) throws(ConfigurationError) {
    var rules = BackendRules(beside: existing)
    for (place, port) in ports.enumerated() {
      let path = PropertyPath.root.consoleDevices[index]
        .port(first + place, isConsole: port.isConsole)
      guard !port.attachment.includesStandardIO else {
        let backend = path.backend(isIdentified: false)
        throw ConfigurationError(
          .conflict, at: backend, given: "stdio",
          "standard input and output are given out at the start",
          "give \(backend.socket.path, "PATH") or \(backend.file.output, "PATH")")
      }
      try rules.check(port.attachment, of: path)
    }
  }
}
