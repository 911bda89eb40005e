import Devices
import GuestMemory

/// A virtio device on the PCI bus, as virtio 1.2, 4.1 describes it (no legacy interface).
///
/// One function with one memory BAR. Register accesses come from vCPU threads and take the
/// device's lock; the device's thread enters through the device and calls back as `DriverNotifier`
/// with the lock held.
///
/// `@unchecked Sendable`: all mutable state is guarded by `lock`.
package final class VirtioPCIFunction: PCIFunction, AddressSpaceDevice, @unchecked Sendable {
  /// The platform a function is plugged into.
  package struct Platform {
    /// The space its BAR appears in.
    package var memorySpace: AddressSpace
    /// Where its MSI-X routes come from.
    package var router: any MSIRouter
    /// Its INTx line.
    package var interruptLine: any InterruptLine
    /// Carries notifications away.
    package var doorbells: any DoorbellBinder
    /// Told of each fault of the guest's, with the lock held.
    package var onFault: @Sendable (QueueFault) -> Void

    package init(
      memorySpace: AddressSpace, router: any MSIRouter, interruptLine: any InterruptLine,
      doorbells: any DoorbellBinder, onFault: @escaping @Sendable (QueueFault) -> Void
    ) {
      self.memorySpace = memorySpace
      self.router = router
      self.interruptLine = interruptLine
      self.doorbells = doorbells
      self.onFault = onFault
    }
  }

  /// Bytes between two queues' notify addresses.
  package static let notifyMultiplier = TransportLayout.notifyMultiplier

  private let lock: DeviceLock
  private let controller: DeviceController
  private let layout: TransportLayout
  private let doorbells: any DoorbellBinder
  private let onFault: @Sendable (QueueFault) -> Void

  private var configuration: ConfigurationSpace
  private var messages: MSIXTable
  private var pin: InterruptPin
  private var common: CommonConfiguration
  private var isr: UInt8 = 0
  private let messageCapability: Int
  private let window: ConfigurationWindow
  /// Refers back, so it is nil until initialization is complete and again once unplugged.
  private var barWindow: BaseAddressWindow?

  /// Plugs `device` in; `lock` is the device's own.
  ///
  /// One MSI-X vector is provided for each queue and one for configuration changes, up to the 2048
  /// that MSI-X allows; drivers share vectors where they are fewer.
  package init(
    device: any VirtioDevice, lock: DeviceLock, memory: GuestMemory, platform: Platform
  ) {
    self.lock = lock
    controller = DeviceController(device: device, memory: memory)
    doorbells = platform.doorbells
    onFault = platform.onFault
    let vectorCount = min(device.queueCount + 1, 2048)
    messages = MSIXTable(vectorCount: vectorCount, router: platform.router)
    layout = TransportLayout(
      configurationLength: device.configurationLength, queueCount: device.queueCount,
      messages: messages)
    pin = InterruptPin(line: platform.interruptLine)
    common = CommonConfiguration(queueCount: device.queueCount, vectorCount: vectorCount)
    let space = Self.makeConfiguration(
      deviceID: device.deviceID, layout: layout, vectorCount: vectorCount)
    configuration = space.configuration
    messageCapability = space.messages
    window = ConfigurationWindow(capability: space.window)
    barWindow = BaseAddressWindow(
      layout.baseAddressRegister, in: platform.memorySpace, device: self)
  }

  private static func makeConfiguration(
    deviceID: UInt16, layout: TransportLayout, vectorCount: Int
  ) -> (configuration: ConfigurationSpace, messages: Int, window: Int) {
    var configuration = ConfigurationSpace(
      PCIIdentity(
        vendor: 0x1af4, device: 0x1040 + deviceID, revision: 1, classCode: 0x078000,
        subsystemVendor: 0x1af4, subsystem: 0x1100, interruptPin: 1))
    configuration.add(layout.baseAddressRegister)
    let messages = configuration.append(
      MSIXCapability.make(
        vectorCount: vectorCount,
        table: .init(
          bar: TransportLayout.bar, offset: UInt32(layout.messageTableRange.lowerBound)),
        pendingBits: .init(
          bar: TransportLayout.bar, offset: UInt32(layout.pendingBitsRange.lowerBound))))
    var window = 0
    for capability in layout.capabilities { window = configuration.append(capability) }
    return (configuration, messages, window)
  }

  /// Places the BAR, as firmware would; it is decoded once the guest enables memory access.
  package func place(at address: UInt64) {
    lock.withLock { configuration.setAddress(address, of: layout.baseAddressRegister) }
  }

  /// The BAR's size in bytes, of which its address must be a multiple.
  package var barSize: UInt64 { layout.baseAddressRegister.size }

  /// Takes the function out of the address space, when its machine ends.
  package func unplug() {
    lock.withLock {
      controller.reset()
      barWindow?.close()
      barWindow = nil
      doorbells.move(to: nil)
    }
  }

  // MARK: Configuration space

  package func readConfiguration(register: Int, width: Int) -> UInt32 {
    lock.withLock {
      if window.contains(register: register, width: width),
        let access = window.access(in: configuration)
      {
        let value = readBAR(offset: access.offset, width: access.width)
        configuration.set(UInt32(truncatingIfNeeded: value), width: 4, at: window.dataRegister)
      }
      return configuration.read(register: register, width: width)
    }
  }

  package func writeConfiguration(register: Int, width: Int, value: UInt32) {
    lock.withLock {
      configuration.write(register: register, width: width, value: value)
      if window.contains(register: register, width: width),
        let access = window.access(in: configuration)
      {
        let data = configuration.read(register: window.dataRegister, width: access.width)
        writeBAR(offset: access.offset, width: access.width, value: UInt64(data))
      }
      followConfiguration()
    }
  }

  private func followConfiguration() {
    messages.update(from: configuration, capability: messageCapability)
    pin.isDisabled = configuration.isINTxDisabled
    guard barWindow?.update(from: configuration) == true else { return }
    doorbells.move(to: barWindow?.range.map { $0.lowerBound &+ layout.notifyRange.lowerBound })
  }

  // MARK: The BAR

  package func read(offset: UInt64, width: Int) -> UInt64 {
    lock.withLock { readBAR(offset: offset, width: width) }
  }

  package func write(offset: UInt64, width: Int, value: UInt64) {
    lock.withLock { writeBAR(offset: offset, width: width, value: value) }
  }

  private func readBAR(offset: UInt64, width: Int) -> UInt64 {
    guard let (part, offset) = layout.locate(offset, width: width) else { return 0 }
    switch part {
    case .common: return common.read(offset: Int(offset), width: width, controller: controller)
    case .isr: return offset == 0 ? UInt64(takeISR()) : 0
    case .device: return readDeviceConfiguration(Int(offset), width)
    case .notify: return 0
    case .messageTable: return messages.readTable(offset: Int(offset), width: width)
    case .pendingBits: return messages.readPendingBits(offset: Int(offset), width: width)
    }
  }

  private func writeBAR(offset: UInt64, width: Int, value: UInt64) {
    guard let (part, offset) = layout.locate(offset, width: width) else { return }
    switch part {
    case .common: writeCommon(Int(offset), width, value)
    case .isr, .pendingBits: return
    case .device: writeDeviceConfiguration(Int(offset), width, value)
    case .notify:
      guard controller.isLive else { return }
      doorbells.ring(queue: Int(offset / TransportLayout.notifyMultiplier))
    case .messageTable: messages.writeTable(offset: Int(offset), width: width, value: value)
    }
  }

  private func writeCommon(_ offset: Int, _ width: Int, _ value: UInt64) {
    guard offset == CommonConfiguration.Field.deviceStatus.rawValue else {
      return common.write(
        offset: offset, width: width, value: value, controller: controller, driver: self)
    }
    guard width == 1 else { return }
    let status = DeviceStatus(rawValue: UInt8(truncatingIfNeeded: value))
    controller.writeStatus(status, driver: self)
    if status == [] { resetTransport() }
  }

  private func resetTransport() {
    common.reset()
    _ = takeISR()
  }

  /// Reading acknowledges (virtio 1.2, 4.1.4.5).
  private func takeISR() -> UInt8 {
    defer {
      isr = 0
      pin.isAsserted = false
      configuration.hasInterruptStatus = false
    }
    return isr
  }

  private func readDeviceConfiguration(_ offset: Int, _ width: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<width where offset + index < controller.device.configurationLength {
      let byte = controller.device.readConfiguration(offset: offset + index)
      value |= UInt64(byte) << UInt64(8 * index)
    }
    return value
  }

  private func writeDeviceConfiguration(_ offset: Int, _ width: Int, _ value: UInt64) {
    guard offset + width <= controller.device.configurationLength else { return }
    controller.device.writeConfiguration(offset: offset, width: width, value: value)
  }
}

// MARK: - From the device to the driver

extension VirtioPCIFunction: DriverNotifier {
  package func notifyUsedBuffers(queue: Int) {
    interrupt(vector: common.vector(ofQueue: queue), isrBit: 1)
  }

  package func notifyConfigurationChange() {
    common.generation &+= 1
    interrupt(vector: common.configurationVector, isrBit: 2)
  }

  package func fail(_ fault: QueueFault) {
    onFault(fault)
    if controller.setNeedsReset() { notifyConfigurationChange() }
  }

  private func interrupt(vector: UInt16, isrBit: UInt8) {
    if messages.isEnabled {
      messages.trigger(vector: Int(vector))
    } else {
      isr |= isrBit
      configuration.hasInterruptStatus = true
      pin.isAsserted = true
    }
  }
}
