import Chardev
import Control

// Host ends that take the places of others while a port has them.
extension ControlledMachine {
  /// Where a port is: its device and itself, by their places in the configuration, and its number.
  struct PortPlace {
    let device: Int
    let port: Int
    let number: UInt32
  }

  /// The port whose host end is called so, by its id or else by what stands for one.
  func place(ofChardev label: String) -> PortPlace? {
    var unnamed: PortPlace?
    for (index, device) in owner.configuration.consoleDevices.enumerated() {
      let deviceLabel = device.label(index: index)
      for (place, port) in device.ports.enumerated() {
        guard port.chardevLabel(ofDevice: deviceLabel) == label else { continue }
        let found = PortPlace(
          device: index, port: place, number: UInt32(clamping: port.number ?? 0))
        if port.attachment.id != nil { return found }
        unnamed = unnamed ?? found
      }
    }
    return unnamed
  }

  /// Gives the one port that has a host end another, under the same name. The port stays, and what
  /// the guest has written and the one before has not taken is the new one's.
  func exchangeChardev(
    _ label: String, for configuration: ChardevConfiguration
  ) throws(QMPError) -> String? {
    guard !owner.configuration.frontEnds.contains(where: { $0.id == label && $0.isMultiplexed })
    else { throw QMPError("Mux device hotswap not supported yet") }
    guard let place = place(ofChardev: label) else {
      throw QMPError("Chardev user does not support chardev hotswap")
    }
    do {
      let chardev = try exchange(at: place, for: configuration)
      owner.control?.somethingChanged()
      return ClientConnection.terminalPath(of: chardev)
    } catch let error as ConfigurationError {
      throw QMPError(error)
    } catch {
      throw QMPError("\(error)")
    }
  }

  private func exchange(
    at place: PortPlace, for configuration: ChardevConfiguration
  ) throws -> any Chardev {
    let existing = owner.configuration
    let port = existing.consoleDevices[place.device].ports[place.port]
    var others = existing
    others.consoleDevices[place.device].ports.remove(at: place.port)
    var next = port
    next.attachment = configuration
    next.attachment.id = port.attachment.id
    try existing.validate(
      attachmentsOf: [next], ofDeviceAt: place.device, from: place.port, besides: others)
    var anonymous = next
    anonymous.attachment.id = nil
    // What the one before has and the new one wants, such as its path, has to be given up first.
    let isInTheWay =
      (try? existing.validate(
        attachmentsOf: [anonymous], ofDeviceAt: place.device, from: place.port, besides: existing))
      == nil
    if isInTheWay { machine.chardev(ofPort: place.number, ofDevice: place.device)?.stop() }
    do { return try open(next, at: place) } catch {
      if isInTheWay { reopen(port, at: place) }
      throw error
    }
  }

  /// Opens a port's new host end, and gives it to the port.
  private func open(
    _ port: VirtioConsolePortConfiguration, at place: PortPlace
  ) throws -> any Chardev {
    var changed = owner.configuration
    changed.consoleDevices[place.device].ports[place.port] = port
    try FileDescriptorBudget.secure(changed)
    let registry = owner.hostEnds.registry
    let id = port.attachment.id
    let before = id.flatMap { registry.remove(id: $0) }
    do {
      let chardev = try owner.hostEnds.openPort(
        port,
        at: PropertyPath.root.consoleDevices[place.device]
          .port(place.port, isConsole: port.isConsole))
      do {
        try machine.exchangeChardev(ofPort: place.number, ofDevice: place.device, for: chardev)
      } catch {
        chardev.stop()
        throw error
      }
      owner.configuration = changed
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
