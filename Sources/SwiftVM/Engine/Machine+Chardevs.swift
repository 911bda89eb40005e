import Chardev
import Host
import VirtioConsole

/// One port of a machine, and what it leads to.
package struct PortReport: Equatable, Sendable {
  /// The device's label in reports.
  package let device: String
  package var id: String?
  package let statistics: PortStatistics
  /// What the backend is called, and what it is in QEMU's words.
  package let chardev: String
  package let filename: String
  /// Clients that wait for their turn at the backend, and how many have had to.
  package var waitingClientCount = 0
  package var queuedClientCount: UInt64 = 0
}

/// One backend of a machine.
package struct ChardevReport: Equatable, Sendable {
  /// Its id; made up for a backend that has none.
  package let label: String
  /// What it is, in QEMU's words.
  package let filename: String
  /// Whether the guest has the port open that has it.
  package let isFrontEndOpen: Bool
}

// Backends: what they are, and those that come and go by themselves or take the places of others.
extension Machine {
  // MARK: Reports

  /// What each device is doing; after the end, what it was doing then.
  package var deviceStatistics: [DeviceStatistics] { devices.map(\.statistics) }

  /// Each serial console that has a backend, as a device with one console port.
  package var serialStatistics: [DeviceStatistics] {
    consoles.connected.map { DeviceStatistics(label: $0.label, ports: [$0.console.statistics]) }
  }

  /// Each port with its backend: the serial consoles, then device by device.
  package var portReports: [PortReport] {
    let lines = consoles.connected.map {
      PortReport(
        device: $0.label, statistics: $0.console.statistics, chardev: $0.chardevLabel,
        filename: $0.chardev.filename)
    }
    return lines + devicePortReports
  }

  private var devicePortReports: [PortReport] {
    devices.flatMap { device in
      let statistics = Dictionary<Int, PortStatistics>(
        device.statistics.ports.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
      return device.ports.compactMap { port in
        statistics[port.number].map { statistics in
          var report = PortReport(
            device: device.label, id: port.id, statistics: statistics,
            chardev: port.chardevLabel, filename: port.chardev.filename)
          (report.waitingClientCount, report.queuedClientCount) =
            ClientConnection.queue(of: port.chardev)
          return report
        }
      }
    }
  }

  /// Each backend: the serial console's, the ports', and those that wait for a port.
  package var chardevReports: [ChardevReport] {
    let serial = consoles.serial.chardev.map {
      ChardevReport(label: consoles.serialLabel, filename: $0.filename, isFrontEndOpen: true)
    }
    let used = devicePortReports.map { port in
      ChardevReport(
        label: port.chardev, filename: port.filename,
        isFrontEndOpen: port.statistics.isOpenInGuest)
    }
    let spares = backends.spares.compactMap { spare -> ChardevReport? in
      guard let id = spare.id, let chardev = backends[id] else { return nil }
      return ChardevReport(label: id, filename: chardev.filename, isFrontEndOpen: false)
    }
    return [serial].compactMap(\.self) + used + spares
  }

  /// The terminal that the program runs in may have another size now.
  func windowSizeMayHaveChanged() {
    for chardev in backends.all { chardev.terminal?.windowSizeMayHaveChanged() }
  }

  // MARK: By their labels

  /// The backend of an id, or of what reports call one without an id.
  package func chardev(label: String) -> (any Chardev)? {
    if let chardev = backends[label] { return chardev }
    return label == consoles.serialLabel ? consoles.serial.chardev : port(ofChardev: label)?.chardev
  }

  /// Whether there is a backend of this id.
  package func hasChardev(id: String) -> Bool { backends[id] != nil }

  /// Sends a break. The serial console alone heeds one.
  package func sendBreak(toChardev label: String) {
    guard label == consoles.serialLabel, let chardev = consoles.serial.chardev else { return }
    chardev.delegate?.chardevDidReceiveBreak(chardev)
  }

  // MARK: Coming and going

  /// Makes a backend with an id; a port may have it later.
  package func addChardev(
    _ added: ChardevConfiguration
  ) throws(ConfigurationError) -> any Chardev {
    guard let id = added.id, !configuration.attachments.contains(where: { $0.0.id == id }) else {
      throw Self.refusal("there is a backend of this id already")
    }
    try check(spare: added)
    return try backends.addSpare(added)
  }

  /// Ends a backend that no port has.
  package func removeChardev(id: String) throws(ConfigurationError) {
    guard let place = backends.spares.firstIndex(where: { $0.id.isSpelled(id) }) else {
      throw Self.refusal("Chardev '\(id)' is busy")
    }
    backends.removeSpare(at: place)
  }

  /// Puts another backend in the place of the one of its id, which no port has, or one port alone.
  package func changeChardev(
    _ changed: ChardevConfiguration
  ) throws(ConfigurationError) -> any Chardev {
    let id = changed.id ?? ""
    guard let place = backends.spares.firstIndex(where: { $0.id.isSpelled(id) }) else {
      return try exchangeChardev(ofPortWith: id, for: changed)
    }
    let before = backends.spares[place]
    backends.removeSpare(at: place)
    do throws(ConfigurationError) {
      try check(spare: changed)
      return try backends.addSpare(changed, at: place)
    } catch {
      // What it was comes back, if it can still be had.
      _ = try? backends.addSpare(before, at: place)
      throw error
    }
  }

  private func check(spare: ChardevConfiguration) throws(ConfigurationError) {
    try configuration.check([(spare, .root.characterDevices)], mayBeStandardIO: true)
  }

  private static func refusal(_ problem: String) -> ConfigurationError {
    ConfigurationError(.state, at: .root.characterDevices, .init(problem))
  }

  // MARK: While a port has it

  /// Gives the one port that has a backend another, under the same name. The port stays, and what the
  /// guest has written and the one before has not taken is the new one's.
  private func exchangeChardev(
    ofPortWith label: String, for changed: ChardevConfiguration
  ) throws(ConfigurationError) -> any Chardev {
    guard !configuration.frontEnds.contains(where: { $0.id == label && $0.isMultiplexed }) else {
      throw Self.refusal("Mux device hotswap not supported yet")
    }
    guard let port = port(ofChardev: label) else {
      throw Self.refusal("Chardev user does not support chardev hotswap")
    }
    let before = port.configuration.attachment
    var next = changed
    next.id = before.id
    try configuration(with: nil, for: port).check([(next, path(of: port))])
    // What the one before has and the new one wants, such as its path, has to be given up first.
    var anonymous = next
    anonymous.id = nil
    let isInTheWay = (try? configuration.check([(anonymous, path(of: port))])) == nil
    if isInTheWay { port.chardev.stop() }
    do throws(ConfigurationError) { return try exchange(next, of: port) } catch {
      // What it had comes back, if it can still be had, else nothing.
      if isInTheWay, (try? exchange(before, of: port)) == nil {
        _ = try? exchange(ChardevConfiguration(id: before.id, .null), of: port)
      }
      throw error
    }
  }

  /// Opens a port's new backend, and gives it to the port.
  private func exchange(
    _ attachment: ChardevConfiguration, of port: MachinePort
  ) throws(ConfigurationError) -> any Chardev {
    try FileDescriptorBudget.secure(configuration(with: attachment, for: port))
    let before = port.chardev
    let chardev = try backends.openInstead(
      attachment, of: path(of: port), isForConsole: port.configuration.isConsole)
    port.exchange(attachment, chardev)
    backends.close(before)
    return chardev
  }

  /// The machine's configuration with another backend for a port, or without the port.
  private func configuration(
    with attachment: ChardevConfiguration?, for port: MachinePort
  ) -> VirtualMachineConfiguration {
    var configuration = configuration
    guard let device = devices.firstIndex(where: { $0 === port.device }),
      let place = port.device.ports.firstIndex(where: { $0 === port })
    else { return configuration }
    if let attachment {
      configuration.consoleDevices[device].ports[place].attachment = attachment
    } else {
      configuration.consoleDevices[device].ports.remove(at: place)
    }
    return configuration
  }
}
