import Control
import Machine

// Devices, and what is on their bus.
extension ControlledMachine {
  var pciFunctions: [PCIFunctionReport] { [] }

  func addSerialDevice(_ request: SerialDeviceRequest) throws(QMPError) {
    throw QMPError("Bus 'pci.0' does not support hotplugging")
  }

  func removeDevice(id: String) throws(QMPError) {
    for (index, device) in owner.configuration.consoleDevices.enumerated() {
      if device.id == id { throw QMPError("Bus 'pci.0' does not support hotplugging") }
      guard let place = device.ports.firstIndex(where: { $0.id == id }) else { continue }
      owner.removePort(at: place, ofDevice: index)
      // The reply comes first, as from QEMU.
      machine.loop.post { [weak owner] in owner?.control?.send(.deviceDeleted(id: id)) }
      return
    }
    throw QMPError("Device '\(id)' not found", class: .deviceNotFound)
  }
}
