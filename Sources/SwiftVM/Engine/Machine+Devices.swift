import Chardev
import Devices
import Host

// The devices of a machine, while it runs or before; on the loop's thread.
extension Machine {
  /// What is on the PCI bus, by ascending slot; nothing while no guest is there.
  package var pciFunctions: [PCIFunctionEntry] {
    (board?.pciFunctions ?? []).map { slot, header in
      let device = configuration.consoleDevices.first { $0.slot == slot }
      return PCIFunctionEntry(slot: slot, id: device?.id ?? "", header: header)
    }
  }

  /// Adds a device on the PCI bus, after those that are there. A guest that runs hears of it by ACPI,
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
