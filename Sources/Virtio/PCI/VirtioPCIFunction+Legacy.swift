import Devices

/// The legacy interface (virtio 1.2, 4.1.4.10): registers in I/O space with the device configuration
/// right behind them. That moves when the driver switches MSI-X on, which adds two registers.
///
/// Called on vCPU threads without the lock.
extension VirtioPCIFunction {
  /// What the guest reads at `offset` from its I/O BAR.
  func readPorts(offset: Int, width: Int) -> UInt64 {
    lock.withLock {
      let length = LegacyConfiguration.length(usesMessages: interrupts.usesMessages)
      guard offset < length else {
        return controller.readDeviceConfiguration(offset: offset - length, width: width)
      }
      if LegacyConfiguration.register(offset: offset, width: width) == .interruptStatus {
        return UInt64(interrupts.acknowledge(in: &configuration))
      }
      return legacy.read(
        offset: offset, width: width, controller: controller, vectors: common.vectors)
    }
  }

  /// What the guest writes there.
  func writePorts(offset: Int, width: Int, value: UInt64) {
    lock.withLock {
      guard !isUnplugged else { return }
      let length = LegacyConfiguration.length(usesMessages: interrupts.usesMessages)
      guard offset < length else {
        return controller.writeDeviceConfiguration(
          offset: offset - length, width: width, value: value)
      }
      switch LegacyConfiguration.register(offset: offset, width: width) {
      case .none: return
      case .queueNotify: notify(queue: Int(value))
      case .deviceStatus: writeLegacyStatus(UInt8(truncatingIfNeeded: value))
      case .driverFeatures: controller.acceptLegacy(Features(rawValue: value), driver: self)
      case .queueAddress:
        controller.enableLegacyQueue(
          legacy.selectedQueue, pageFrame: UInt32(truncatingIfNeeded: value), driver: self)
      case .some(let register): legacy.write(register, value, vectors: &common.vectors)
      }
    }
  }

  /// A driver may use the device before DRIVER_OK (3.1.2).
  private func notify(queue: Int) {
    controller.legacyDriverNotified(driver: self)
    guard controller.isLive, controller.configuration(ofQueue: queue) != nil else { return }
    doorbells.ring(queue: queue, through: .indexPort)
  }

  /// After a reset the first notification must come here again, wherever it comes before DRIVER_OK.
  private func writeLegacyStatus(_ value: UInt8) {
    let status = DeviceStatus(rawValue: value)
    if status.contains(.driver) { becomeBusMaster() }
    controller.writeLegacyStatus(status, driver: self)
    guard value == 0 else { return }
    resetTransport()
    placeLegacyDoorbell()
  }
}
