import Chardev
import Devices
import Host
import VirtioConsole

// Console devices and their ports, which come and go while the machine runs or before.
extension Machine {
  // MARK: Who is meant

  private var ports: some Sequence<MachinePort> { devices.lazy.flatMap(\.ports) }

  /// The port of an id, or else of a name in the guest.
  package func port(_ word: String) -> MachinePort? {
    ports.first { $0.id.isSpelled(word) || $0.configuration.name.isSpelled(word) }
  }

  /// The port of an id.
  package func port(id: String) -> MachinePort? { ports.first { $0.id.isSpelled(id) } }

  /// The port of a name in the guest.
  func port(named name: String) -> MachinePort? {
    ports.first { $0.configuration.name.isSpelled(name) }
  }

  /// The port whose backend is called so, by its id or else by what stands for one.
  func port(ofChardev label: String) -> MachinePort? {
    let found = ports.filter { $0.chardevLabel.utf8.elementsEqual(label.utf8) }
    return found.first { $0.configuration.attachment.id != nil } ?? found.first
  }

  /// The device of an id.
  package func device(id: String) -> MachineDevice? { devices.first { $0.id.isSpelled(id) } }

  /// The device that ports call so (`bus=`).
  package func device(ofBus bus: String) -> MachineDevice? {
    zip(devices, devices.map(\.configuration).busNames).first { $1.isSpelled(bus) }?.0
  }

  private func path(of device: MachineDevice) -> PropertyPath {
    let place = devices.firstIndex { $0 === device } ?? devices.count
    return PropertyPath.root.consoleDevices[place]
  }

  /// Where a port is in the configuration.
  func path(of port: MachinePort) -> PropertyPath {
    let place = port.device.ports.firstIndex { $0 === port } ?? 0
    return path(of: port.device).port(place, isConsole: port.configuration.isConsole)
  }

  // MARK: Ports

  /// Adds a port to a device. A running guest is told at once, and finds it again after each reset.
  ///
  /// - Throws: what the user has to change, having changed nothing.
  @discardableResult
  package func add(
    _ port: VirtioConsolePortConfiguration, to device: MachineDevice
  ) throws(ConfigurationError) -> MachinePort {
    try requireLife()
    let place = device.ports.count
    let path = path(of: device)
    let owner = path.port(place, isConsole: port.isConsole)
    var others = configuration
    if let id = port.attachment.id { others.characterDevices.removeAll { $0.id.isSpelled(id) } }
    var changed = device.configuration
    changed.ports.append(port)
    let number: Int
    do throws(ConfigurationError) { number = try changed.portNumbers[place] } catch {
      throw error.inside(path)
    }
    changed.ports[place].number = number
    try check(changed, insteadOf: device, beside: others)
    return try backends.undoing { () throws(ConfigurationError) in
      let added = try MachinePort(port, number: number, of: device, at: owner, backends)
      do throws(PortError) { try device.add(added) } catch {
        throw ConfigurationError(
          error, changed.ports[place], at: place, maximumPortCount: changed.maximumPortCount
        ).inside(path)
      }
      return added
    }
  }

  /// Removes a port, which no guest needs to agree to. What its client takes at once is passed on. Then its
  /// backend ends or, if it has an id, waits for another port.
  package func remove(_ port: MachinePort) {
    port.device.remove(port)
    backends.release(port.chardev, port.configuration.attachment)
    guard isStarted else { return }
    // The client that has removed it gets its answer first.
    loop.post { [weak self] in self?.tell(.deviceRemoved(id: port.id)) }
  }

  /// Checks a device that comes, or that gets ports.
  ///
  /// - Parameters:
  ///   - changed: the device as it will be.
  ///   - device: as it is; nil for a new one.
  ///   - others: the machine beside what comes.
  private func check(
    _ changed: VirtioConsoleDeviceConfiguration, insteadOf device: MachineDevice? = nil,
    beside others: VirtualMachineConfiguration
  ) throws(ConfigurationError) {
    let place = devices.firstIndex { $0 === device } ?? devices.count
    var all = others
    all.consoleDevices[place..<min(place + 1, devices.count)] = [changed]
    try ConsoleDeviceRules.check(all.consoleDevices)
    let path = PropertyPath.root.consoleDevices[place]
    let first = device?.ports.count ?? 0
    try others.check(
      changed.ports.enumerated().dropFirst(first).map { index, port in
        (port.attachment, path.port(index, isConsole: port.isConsole))
      })
    try FileDescriptorBudget.secure(all)
  }

  // MARK: Devices

  /// Adds a device on the PCI bus, after those that are there. A running guest is told by ACPI, and finds
  /// it again in the same slot after each reset.
  ///
  /// - Throws: what the user has to change, having changed nothing.
  package func add(_ device: VirtioConsoleDeviceConfiguration) throws(ConfigurationError) {
    try requireLife()
    let path = PropertyPath.root.consoleDevices[devices.count]
    var numbered = device
    for (place, number) in try device.portNumbers.enumerated() {
      numbered.ports[place].number = number
    }
    guard device.transport != .mmio else { throw Self.notOnPCI(device.id, at: path) }
    try check(numbered, beside: configuration)
    try requireHotPlug(device.id, at: path)
    try backends.undoing { () throws(ConfigurationError) in
      let added = try MachineDevice(
        numbered, label: device.label(number: deviceCount), at: path, backends, trace: trace)
      if let board {
        let vectorCount = (configuration.consoleDevices + [numbered]).defaultVectorCount
        do { try added.plug(into: board, defaultVectorCount: vectorCount, isRunning: true) } catch {
          throw ConfigurationError(.host, device.id, at: path, .init(String(describing: error)))
        }
        if isPaused { added.console?.device.pause() }
        board.announce(added)
      }
      devices.append(added)
      deviceCount += 1
    }
  }

  /// Asks the guest to let a device on the PCI bus go. Once it has, or is reset, the device is gone with its
  /// ports and their backends, which `VirtualMachineEvent.deviceRemoved` tells; while no guest is there, at
  /// once. A guest that does not answer keeps the device, and is asked again by the next call.
  package func requestRemoval(of device: MachineDevice) throws(ConfigurationError) {
    try requireLife()
    let path = path(of: device)
    guard device.isOnPCI else { throw Self.notOnPCI(device.id, at: path) }
    guard let board else { return remove(device) }
    try requireHotPlug(device.id, at: path)
    // A kernel that was not ready for it the first time gets it now.
    board.requestRemoval(of: device)
    guard !device.isRemovalPending else {
      throw ConfigurationError(
        .state, device.id, at: path,
        "Device \(device.id ?? "") is already in the process of unplug",
        "wait for the guest, which has been asked again, or reset it")
    }
    device.isRemovalPending = true
  }

  private static func notOnPCI(_ id: String?, at path: PropertyPath) -> ConfigurationError {
    ConfigurationError(
      .conflict, id, at: path, "devices on mmio cannot come or go while the machine runs",
      "give a device on pci")
  }

  /// While a guest is there, devices come and go only if it has been told so.
  private func requireHotPlug(_ id: String?, at path: PropertyPath) throws(ConfigurationError) {
    guard board == nil || hasHotPlug else {
      throw ConfigurationError(
        .state, id, at: path, "the guest does not expect devices to come or go while it runs",
        "set \(PropertyPath.root.allowsHotPlug) in the machine's configuration")
    }
  }

  /// The guest has taken what is in the slot off the bus.
  func slotEjected(_ slot: Int) {
    if let device = devices.first(where: { $0.slot == slot }) { remove(device) }
  }

  /// What the guest has not let go yet does not come back with its next life.
  func completeRemovals() {
    for device in devices where device.isRemovalPending { remove(device) }
  }

  private func remove(_ device: MachineDevice) {
    _ = device.unplug()
    if let slot = device.slot { board?.pciSlots.empty(slot: slot) }
    devices.removeAll { $0 === device }
    for port in device.ports { backends.release(port.chardev, port.configuration.attachment) }
    guard isStarted else { return }
    for id in device.ports.map(\.id) + [device.id] { tell(.deviceRemoved(id: id)) }
  }

  /// What is on the PCI bus, by ascending slot; nothing while no guest is there.
  package var pciFunctions: [PCIFunctionEntry] {
    (board?.pciFunctions ?? []).map { slot, header in
      let device = devices.first { $0.slot == slot }
      return PCIFunctionEntry(slot: slot, id: device?.id ?? "", header: header)
    }
  }
}

/// A function on the PCI bus.
package struct PCIFunctionEntry {
  /// Its place on the bus.
  package let slot: Int
  /// What the user calls the device; empty for one that has no name, and for the host bridge.
  package let id: String
  /// Its configuration header.
  package let header: PCIFunctionState
}

extension VirtualMachineConfiguration {
  /// Checks backends that come to a machine of this configuration, whose other rules have been checked.
  ///
  /// - Parameter mayBeStandardIO: false for ports, which come too late for it.
  func check(
    _ added: [(ChardevConfiguration, PropertyPath)], mayBeStandardIO: Bool = false
  ) throws(ConfigurationError) {
    var rules = BackendRules(beside: self)
    for (backend, owner) in added {
      guard mayBeStandardIO || !backend.includesStandardIO else {
        let path = owner.backend(isIdentified: false)
        throw ConfigurationError(
          .conflict, at: path, given: "stdio",
          "standard input and output are given out at the start",
          "give \(path.socket.path, "PATH") or \(path.file.output, "PATH")")
      }
      try rules.check(backend, of: owner)
    }
  }
}

extension ConfigurationError {
  /// About a device, or about its id if it has one.
  fileprivate init(
    _ code: Code, _ id: String?, at path: PropertyPath, _ problem: Text, _ remedy: Text = ""
  ) {
    self.init(code, at: id == nil ? path : path.id, given: id ?? "", problem, remedy)
  }
}

extension String {
  /// Whether it has the same bytes: two spellings of an accent are two names.
  func isSpelled(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}

extension String? {
  /// Whether there is one of the same bytes.
  func isSpelled(_ other: String) -> Bool { self?.isSpelled(other) == true }
}
