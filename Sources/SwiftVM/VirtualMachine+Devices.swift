import Host
import VirtioConsole

// Callable on any thread, before, while and after the machine runs. A call waits until the machine's
// thread has done it, which is a matter of milliseconds; the guest's part takes as long as it takes.
extension VirtualMachine {
  /// Adds a device on the PCI bus, with its ports. A running guest is told at once, by ACPI's
  /// hot-plugging, and finds it in the same slot after each reset; that takes a configuration which
  /// `allowsHotPlug`, or has control sockets.
  ///
  /// - Throws: what the user has to change, having changed nothing.
  public func addDevice(_ device: VirtioConsoleDeviceConfiguration) throws(ConfigurationError) {
    try gate.perform { [self] in
      Result { () throws(ConfigurationError) in try add(device) }
    }.get()
  }

  /// Asks the guest to let the device with this id go. It is gone, with its ports and their host
  /// ends, once the guest has ejected it or is reset, which `VirtualMachineEvent.deviceRemoved`
  /// tells; before `run`, at once. A guest that does not answer keeps it.
  ///
  /// - Throws: where there is no such device, none that can be removed, or the guest has been asked.
  public func removeDevice(id: String) throws(ConfigurationError) {
    try gate.perform { [self] in
      Result { () throws(ConfigurationError) in try remove(device: id) }
    }.get()
  }

  // MARK: On the machine's thread

  /// What is on the PCI bus, by ascending slot; nothing while no guest is there.
  package var pciFunctions: [PCIFunctionEntry] { machine.pciFunctions }

  func add(_ device: VirtioConsoleDeviceConfiguration) throws(ConfigurationError) {
    try requireLife()
    var changed = configuration
    let index = changed.consoleDevices.count
    changed.consoleDevices.append(device)
    for (place, number) in try device.portNumbers.enumerated() {
      changed.consoleDevices[index].ports[place].number = number
    }
    let path = PropertyPath.root.consoleDevices[index]
    guard device.transport != .mmio else {
      throw ConfigurationError(.notPluggable, device.id, at: path)
    }
    try ConsoleDeviceRules.check(changed.consoleDevices)
    try changed.validate(attachmentsOf: device.ports, ofDeviceAt: index, besides: configuration)
    try FileDescriptorBudget.secure(changed)
    var opened = try backends.open(changed.consoleDevices[index], at: path)
    if let tracer {
      let label = device.label(index: index)
      opened.trace = { tracer(label, $0) }
    }
    do throws(MachineDeviceError) { try machine.addDevice(opened) } catch {
      throw ConfigurationError(error, device.id, at: path)
    }
    configuration = changed
  }

  func remove(device id: String) throws(ConfigurationError) {
    try requireLife()
    guard let index = configuration.consoleDevices.firstIndex(where: { $0.id == id }) else {
      throw ConfigurationError(
        .notFound, at: .root.consoleDevices.id, given: id, "there is no such device",
        "give the id of a device")
    }
    do throws(MachineDeviceError) { try machine.requestRemoval(ofDevice: index) } catch {
      throw ConfigurationError(error, id, at: .root.consoleDevices[index])
    }
  }

  /// The machine has lost the device, and with it its ports.
  func deviceRemoved(_ index: Int) {
    let device = configuration.consoleDevices.remove(at: index)
    for port in device.ports { backendIsFree(of: port) }
    guard machine.isStarted else { return }
    for id in device.ports.map(\.id) + [device.id] { tell(.deviceRemoved(id: id)) }
  }
}

extension ConfigurationError {
  fileprivate init(_ error: MachineDeviceError, _ id: String?, at path: PropertyPath) {
    let (code, problem, remedy): (Code, Text, Text) =
      switch error {
      case .notPluggable:
        (
          .conflict, "devices on mmio cannot come or go while the machine runs",
          "give a device on pci"
        )
      case .notAllowed:
        (
          .state, "the guest does not expect devices to come or go while it runs",
          "set \(PropertyPath.root.allowsHotPlug) in the machine's configuration"
        )
      case .removalPending:
        (
          .state, "Device \(id ?? "") is already in the process of unplug",
          "wait for the guest, which has been asked again, or reset it"
        )
      case .host(let problem): (.host, Text(problem), "")
      }
    self.init(code, at: id == nil ? path : path.id, given: id ?? "", problem, remedy)
  }
}
