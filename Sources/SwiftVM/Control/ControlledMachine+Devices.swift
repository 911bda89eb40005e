import Control
import Devices

// Devices, and what is on their bus.
extension ControlledMachine {
  var pciFunctions: [PCIFunctionReport] { machine.pciFunctions.map(PCIFunctionReport.init) }

  func addSerialDevice(_ request: SerialDeviceRequest) throws(QMPError) {
    try requireNewID(request.id)
    var device = VirtioConsoleDeviceConfiguration(id: request.id, ports: [])
    if let count = request.maximumPortCount { device.maximumPortCount = count }
    device.vectorCount = request.vectorCount
    device.slot = request.slot
    do throws(ConfigurationError) { try owner.add(device) } catch { throw QMPError(error) }
  }

  func removeDevice(id: String) throws(QMPError) {
    for (index, device) in owner.configuration.consoleDevices.enumerated() {
      if device.id == id {
        do throws(ConfigurationError) { return try owner.remove(device: id) } catch {
          throw QMPError(error)
        }
      }
      guard let place = device.ports.firstIndex(where: { $0.id == id }) else { continue }
      owner.removePort(at: place, ofDevice: index)
      // The reply comes first, as from QEMU.
      machine.loop.post { [weak owner] in owner?.control?.send(.deviceDeleted(id: id)) }
      return
    }
    throw QMPError("Device '\(id)' not found", class: .deviceNotFound)
  }
}

extension PCIFunctionReport {
  fileprivate init(_ entry: Machine.PCIFunctionEntry) {
    let identity = entry.header.identity
    self.init(
      slot: entry.slot, id: entry.id, vendor: identity.vendor, device: identity.device,
      subsystemVendor: identity.subsystemVendor, subsystem: identity.subsystem,
      classCode: UInt16(truncatingIfNeeded: identity.classCode >> 8),
      interruptLine: entry.header.interruptLine, interruptPin: identity.interruptPin,
      regions: entry.header.regions.map { region in
        Region(
          index: region.bar.index, size: region.bar.size, address: region.address,
          isPorts: region.bar.kind == .io, is64Bit: region.bar.kind == .memory64,
          isPrefetchable: false)
      })
  }
}
