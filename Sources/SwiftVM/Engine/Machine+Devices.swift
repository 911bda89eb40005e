import Chardev
import Devices
import Host
import VirtioConsole

// The devices, ports and backends of a machine, while it runs or before; on the loop's thread.
extension Machine {
  /// What is on the PCI bus, by ascending slot; nothing while no guest is there.
  package var pciFunctions: [PCIFunctionEntry] {
    (board?.pciFunctions ?? []).map { slot, header in
      let device = configuration.consoleDevices.first { $0.slot == slot }
      return PCIFunctionEntry(slot: slot, id: device?.id ?? "", header: header)
    }
  }

  /// Adds a device on the PCI bus, after those that are there. A running guest is told by ACPI,
  /// and finds it again, in the same slot, after each reset.
  package func addDevice(
    _ device: MachineConfiguration.ConsoleDevice
  ) throws(MachineDeviceError) {
    guard case .pci = device.transport else { throw .notPluggable }
    guard board == nil || configuration.allowsHotPlug else { throw .notAllowed }
    var device = device
    let all = MachineConfiguration.ConsoleDevice.sharingVectors(
      configuration.consoleDevices + [device])
    var started: [any Chardev] = []
    do {
      for port in device.ports {
        try begin(port.chardev)
        started.append(port.chardev)
      }
      try board?.add(all.last ?? device, isPaused: isPaused)
    } catch {
      for chardev in started { letGo(chardev) }
      throw .host(String(describing: error))
    }
    if let slots = board?.slots { device.slot = slots[slots.count - 1] }
    configuration.consoleDevices.append(device)
  }

  /// Asks the guest to let a device on the PCI bus go. Once it has, or is reset, the device is gone,
  /// with its ports and their host ends, which `VirtualMachineEvent.deviceRemoved` tells; while no guest is
  /// there, at once. A guest that does not answer keeps the device, and is asked again by the next call.
  package func requestRemoval(ofDevice index: Int) throws(MachineDeviceError) {
    guard case .pci = configuration.consoleDevices[index].transport else { throw .notPluggable }
    guard let board else { return remove(device: index) }
    guard configuration.allowsHotPlug else { throw .notAllowed }
    guard !configuration.consoleDevices[index].isToBeRemoved else {
      // A kernel that was not ready for it has not heard it.
      board.requestRemoval(ofDevice: index)
      throw .removalPending
    }
    configuration.consoleDevices[index].isToBeRemoved = true
    board.requestRemoval(ofDevice: index)
  }

  /// The guest has taken what is in the slot off the bus.
  func slotEjected(_ slot: Int) {
    let index = configuration.consoleDevices.firstIndex { $0.slot == slot }
    if let index { remove(device: index) }
  }

  /// What the guest had not let go yet does not come back with its next life.
  func completeRemovals() {
    while let index = configuration.consoleDevices.firstIndex(where: \.isToBeRemoved) {
      remove(device: index)
    }
  }

  /// The devices keep the slots they have got.
  func keepSlots(of board: Board) {
    for (index, slot) in board.slots.enumerated() {
      configuration.consoleDevices[index].slot = slot
    }
  }

  private func remove(device index: Int) {
    board?.remove(device: index)
    let device = configuration.consoleDevices.remove(at: index)
    for port in device.ports { letGo(port.chardev) }
    statistics.forget(device: index)
    onDeviceRemoved(index)
  }

  /// What the devices and their ports are doing, and what happened on them over all lives of the guest.
  package var deviceStatistics: [DeviceStatistics] {
    board.map { statistics.totals(with: $0.statistics) } ?? statistics.totals
  }

  /// Whether the guest has a port open.
  package func portIsOpenInGuest(_ number: UInt32, ofDevice device: Int) -> Bool {
    guard let board, board.consoles.indices.contains(device) else { return false }
    return board.consoles[device].device.isOpenInGuest(port: number)
  }

  /// Adds a port to a device; it is there after resets of the guest, too.
  ///
  /// - Parameter port: its number is one that no other port has.
  package func addPort(
    _ port: MachineConfiguration.Port, toDevice device: Int
  ) throws(MachinePortError) {
    do throws(SystemError) { try begin(port.chardev) } catch { throw .host(error) }
    do throws(PortError) {
      try board?.addPort(port, toDevice: device)
    } catch {
      letGo(port.chardev)
      throw .device(error)
    }
    configuration.consoleDevices[device].ports.append(port)
  }

  /// Removes a port for good, and ends its host end unless that is kept; what the client takes at
  /// once is passed on. Without effect where there is no such port.
  package func removePort(_ number: UInt32, ofDevice device: Int) {
    let ports = configuration.consoleDevices[device].ports
    guard let index = ports.firstIndex(where: { $0.configuration.number == number }) else { return }
    let report = board?.removePort(number, ofDevice: device)
    configuration.consoleDevices[device].ports.remove(at: index)
    letGo(ports[index].chardev)
    statistics.forget(port: number, ofDevice: device, report)
  }

  /// Gives a port another host end, which is kept if the one before was; that one ends. The port
  /// stays, in this life of the guest and those after it. Without effect where there is no such port.
  ///
  /// - Throws: if the new one does not start; nothing has changed then.
  package func exchangeChardev(
    ofPort number: UInt32, ofDevice device: Int, for chardev: any Chardev
  ) throws(SystemError) {
    let ports = configuration.consoleDevices[device].ports
    guard let index = ports.firstIndex(where: { $0.configuration.number == number }) else { return }
    if isStarted { try chardev.start(on: loop) }
    let before = ports[index].chardev
    configuration.consoleDevices[device].ports[index].chardev = chardev
    if let place = configuration.keptChardevs.firstIndex(where: { $0 === before }) {
      configuration.keptChardevs[place] = chardev
    }
    board?.exchangeChardev(ofPort: number, ofDevice: device, for: chardev)
    before.stop()
  }

  /// Keeps a host end, which ports may have from now on, one after another.
  package func keep(_ chardev: any Chardev) throws(SystemError) {
    if isStarted { try chardev.start(on: loop) }
    configuration.keptChardevs.append(chardev)
  }

  /// Ends a host end that was kept. No port has it.
  package func release(_ chardev: any Chardev) {
    guard let place = configuration.keptChardevs.firstIndex(where: { $0 === chardev }) else {
      return
    }
    configuration.keptChardevs.remove(at: place)
    chardev.stop()
  }

  /// The host end of a port; nil where there is no such port.
  package func chardev(ofPort number: UInt32, ofDevice device: Int) -> (any Chardev)? {
    guard configuration.consoleDevices.indices.contains(device) else { return nil }
    return configuration.consoleDevices[device].ports
      .first { $0.configuration.number == number }?.chardev
  }

  /// The host ends of a device's ports, by the ports' numbers.
  package func chardevs(ofDevice device: Int) -> [UInt32: any Chardev] {
    guard configuration.consoleDevices.indices.contains(device) else { return [:] }
    return Dictionary<UInt32, any Chardev>(
      configuration.consoleDevices[device].ports.compactMap { port in
        port.configuration.number.map { ($0, port.chardev) }
      }, uniquingKeysWith: { first, _ in first })
  }

  /// The serial console's host end; nil for none.
  package var serialChardev: (any Chardev)? { configuration.serial }

  /// The terminal that the program runs in may have another size now.
  package func windowSizeMayHaveChanged() {
    for chardev in configuration.chardevs { chardev.terminal?.windowSizeMayHaveChanged() }
  }

  /// Starts a port's host end, if it is the port's own.
  func begin(_ chardev: any Chardev) throws(SystemError) {
    if isStarted, !configuration.isKept(chardev) { try chardev.start(on: loop) }
  }

  /// Ends a port's host end, if it is the port's own.
  func letGo(_ chardev: any Chardev) {
    if !configuration.isKept(chardev) { chardev.stop() }
  }
}

/// Why a device could not be added or removed.
package enum MachineDeviceError: Error {
  /// Devices on mmio are there from the start to the end.
  case notPluggable
  /// The guest has not been told that devices come and go.
  case notAllowed
  /// The guest has been asked already.
  case removalPending
  /// There is no room for it, or its host ends do not start: a clause that says so.
  case host(String)
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

/// Why a port could not be added to a machine.
package enum MachinePortError: Error {
  case device(PortError)
  case host(SystemError)
}
