import Chardev
import Host

/// One backend of a machine.
package struct ChardevReport: Equatable, Sendable {
  /// Its id; made up for a backend that has none.
  package let label: String
  /// What it is, in QEMU's words.
  package let filename: String
  /// Whether the guest has the port open that has it.
  package let isFrontEndOpen: Bool
}

// Backends that come and go by themselves, and that take the places of others while a port has them. On
// the machine's thread.
extension VirtualMachine {
  /// Every backend: the serial console's, the ports', and those that wait for a port.
  package var chardevs: [ChardevReport] {
    let serial = machine.serialChardev.map { chardev in
      ChardevReport(
        label: configuration.serialPort.label, filename: chardev.filename, isFrontEndOpen: true)
    }
    let used = virtioPorts.map { port in
      ChardevReport(
        label: port.chardev, filename: port.filename,
        isFrontEndOpen: port.statistics.isOpenInGuest)
    }
    let spares = configuration.characterDevices.compactMap { spare -> ChardevReport? in
      guard let id = spare.id, let chardev = backends.registry.end(of: spare) else { return nil }
      return ChardevReport(label: id, filename: chardev.filename, isFrontEndOpen: false)
    }
    return [serial].compactMap { $0 } + used + spares
  }

  /// The backend of an id, or of what `chardevs` calls one without an id.
  package func chardev(label: String) -> (any Chardev)? {
    if let chardev = backends.registry[label] { return chardev }
    if label == configuration.serialPort.label { return machine.serialChardev }
    return place(ofChardev: label).flatMap {
      machine.chardev(ofPort: $0.number, ofDevice: $0.device)
    }
  }

  /// Whether there is a backend of this id.
  package func hasChardev(id: String) -> Bool { backends.registry.has(id) }

  /// Sends a break. The serial console alone heeds one.
  package func sendBreak(toChardev label: String) {
    guard label == configuration.serialPort.label, let chardev = machine.serialChardev else {
      return
    }
    chardev.delegate?.chardevDidReceiveBreak(chardev)
  }

  /// Makes a backend with an id; a port may have it later.
  package func addChardev(
    _ added: ChardevConfiguration
  ) throws(ConfigurationError) -> any Chardev {
    guard let id = added.id, !configuration.attachments.contains(where: { $0.0.id == id }) else {
      throw Self.chardevError("there is a backend of this id already")
    }
    let chardev = try openSpare(added)
    configuration.characterDevices.append(added)
    return chardev
  }

  /// Puts another backend in the place of the one of its id, which no port has, or one port alone.
  package func changeChardev(
    _ changed: ChardevConfiguration
  ) throws(ConfigurationError) -> any Chardev {
    let id = changed.id ?? ""
    guard let place = configuration.characterDevices.firstIndex(where: { $0.id == id }) else {
      return try exchangeChardev(id, for: changed)
    }
    let before = configuration.characterDevices[place]
    closeSpare(id)
    do throws(ConfigurationError) {
      let chardev = try openSpare(changed)
      configuration.characterDevices[place] = changed
      return chardev
    } catch {
      // What it was comes back, if it can still be had.
      if (try? openSpare(before)) == nil { configuration.characterDevices.remove(at: place) }
      throw error
    }
  }

  /// Ends a backend that no port has.
  package func removeChardev(id: String) throws(ConfigurationError) {
    guard let place = configuration.characterDevices.firstIndex(where: { $0.id == id }) else {
      throw Self.chardevError("Chardev '\(id)' is busy")
    }
    configuration.characterDevices.remove(at: place)
    closeSpare(id)
  }

  private static func chardevError(_ problem: String) -> ConfigurationError {
    ConfigurationError(.state, at: .root.characterDevices, .init(problem))
  }

  private func openSpare(
    _ spare: ChardevConfiguration
  ) throws(ConfigurationError) -> any Chardev {
    let path = PropertyPath.root.characterDevices
    var rules = BackendRules(beside: configuration, except: spare.id)
    try rules.check(spare, of: path)
    let chardev = try backends.openSpare(spare)
    do throws(SystemError) { try machine.keep(chardev) } catch {
      if let id = spare.id { closeSpare(id) }
      throw Self.chardevError("\(error)")
    }
    return chardev
  }

  private func closeSpare(_ id: String) {
    if let chardev = backends.registry.remove(id: id) { machine.release(chardev) }
  }

  // MARK: While a port has it

  /// Where a port is: its device and itself, by their places in the configuration, and its number.
  private struct PortPlace {
    let device: Int
    let port: Int
    let number: UInt32
  }

  /// The port whose backend is called so, by its id or else by what stands for one.
  private func place(ofChardev label: String) -> PortPlace? {
    var unnamed: PortPlace?
    for (index, device) in configuration.consoleDevices.enumerated() {
      let deviceLabel = device.label(index: index)
      for (place, port) in device.ports.enumerated()
      where port.chardevLabel(ofDevice: deviceLabel) == label {
        let found = PortPlace(
          device: index, port: place, number: UInt32(clamping: port.number ?? 0))
        if port.attachment.id != nil { return found }
        unnamed = unnamed ?? found
      }
    }
    return unnamed
  }

  /// Gives the one port that has a backend another, under the same name. The port stays, and what the
  /// guest has written and the one before has not taken is the new one's.
  private func exchangeChardev(
    _ label: String, for changed: ChardevConfiguration
  ) throws(ConfigurationError) -> any Chardev {
    guard !configuration.frontEnds.contains(where: { $0.id == label && $0.isMultiplexed }) else {
      throw Self.chardevError("Mux device hotswap not supported yet")
    }
    guard let place = place(ofChardev: label) else {
      throw Self.chardevError("Chardev user does not support chardev hotswap")
    }
    let port = configuration.consoleDevices[place.device].ports[place.port]
    var others = configuration
    others.consoleDevices[place.device].ports.remove(at: place.port)
    var next = port
    next.attachment = changed
    next.attachment.id = port.attachment.id
    try configuration.validate(
      attachmentsOf: [next], ofDeviceAt: place.device, from: place.port, besides: others)
    var anonymous = next
    anonymous.attachment.id = nil
    // What the one before has and the new one wants, such as its path, has to be given up first.
    let isInTheWay =
      (try? configuration.validate(
        attachmentsOf: [anonymous], ofDeviceAt: place.device, from: place.port,
        besides: configuration)) == nil
    if isInTheWay { machine.chardev(ofPort: place.number, ofDevice: place.device)?.stop() }
    do throws(ConfigurationError) { return try open(next, at: place) } catch {
      if isInTheWay { reopen(port, at: place) }
      throw error
    }
  }

  /// Opens a port's new backend, and gives it to the port.
  private func open(
    _ port: VirtioConsolePortConfiguration, at place: PortPlace
  ) throws(ConfigurationError) -> any Chardev {
    var changed = configuration
    changed.consoleDevices[place.device].ports[place.port] = port
    try FileDescriptorBudget.secure(changed)
    let registry = backends.registry
    let id = port.attachment.id
    let before = id.flatMap { registry.remove(id: $0) }
    do throws(ConfigurationError) {
      let chardev = try backends.openPort(
        port,
        at: PropertyPath.root.consoleDevices[place.device]
          .port(place.port, isConsole: port.isConsole))
      do throws(SystemError) {
        try machine.exchangeChardev(ofPort: place.number, ofDevice: place.device, for: chardev)
      } catch {
        chardev.stop()
        throw Self.chardevError("\(error)")
      }
      configuration = changed
      return chardev
    } catch {
      if let id, let before { registry.insert(before, id: id) }
      throw error
    }
  }

  /// What the port had before comes back, if it can still be had, else nothing.
  private func reopen(_ port: VirtioConsolePortConfiguration, at place: PortPlace) {
    guard (try? open(port, at: place)) == nil else { return }
    var idle = port
    idle.attachment = ChardevConfiguration(id: port.attachment.id, .null)
    _ = try? open(idle, at: place)
  }
}

extension VirtioConsolePortConfiguration {
  /// What the port's backend is called; made up where the user gave it no id.
  func chardevLabel(ofDevice device: String) -> String {
    attachment.id ?? id ?? "\(device).\(number ?? 0)"
  }
}
