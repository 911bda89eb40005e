import Devices
import GuestMemory

/// A virtio device on the PCI bus, as virtio 1.2, 4.1 describes it: modern, transitional or legacy.
///
/// One function with a memory BAR and, where legacy drivers may come, an I/O BAR
/// (`VirtioPCIFunction+Legacy.swift`). Register accesses come from vCPU threads and take the
/// device's lock; the device's thread enters through the device and calls back as `VirtioInterrupt`
/// with the lock held.
///
/// A conventional function without power management and without function-level reset: its state
/// goes back to that after power-on when the driver writes a status of zero, and with the machine's
/// own reset, which makes a new one.
///
/// `@unchecked Sendable`: all mutable state is guarded by `lock`.
package final class VirtioPCIFunction: PCIFunction, AddressSpaceDevice, @unchecked Sendable {
  /// Bytes between two queues' notify addresses.
  package static let notifyMultiplier = TransportLayout.notifyMultiplier

  let lock: DeviceLock
  let controller: VirtioDeviceState
  let notifiers: any QueueNotifierBinding
  let onFault: @Sendable (QueueFault) -> Void
  private let layout: TransportLayout
  private let window: ConfigurationWindow?

  var configuration: ConfigurationSpace
  var interrupts: FunctionInterrupts
  var common: CommonConfiguration
  var legacy = LegacyConfiguration()
  private(set) var isUnplugged = false
  /// They refer back, so they are nil until initialization is complete and again once unplugged.
  private var memoryWindow: BaseAddressWindow?
  private var portWindow: BaseAddressWindow?

  /// Plugs `device` in; `lock` is the device's own.
  package init(
    device: any VirtioDevice, lock: DeviceLock, memory: GuestMemory, platform: Platform,
    options: Options = Options()
  ) {
    self.lock = lock
    controller = VirtioDeviceState(
      device: device, memory: memory, allowedFeatures: options.allowedFeatures,
      isTransitional: options.interface.hasLegacy)
    notifiers = platform.notifiers
    onFault = platform.onFault
    let wanted = options.vectorCount ?? device.queueCount + 1
    let vectorCount = min(max(wanted, 0), MSIXTable.largestVectorCount)
    let messages =
      vectorCount == 0 ? nil : MSIXTable(vectorCount: vectorCount, router: platform.router)
    layout = TransportLayout(
      interface: options.interface, configurationLength: device.configurationLength,
      queueCount: device.queueCount, messages: messages)
    common = CommonConfiguration(queueCount: device.queueCount, vectorCount: vectorCount)
    let header = VirtioPCIHeader(
      deviceID: device.deviceID, interface: options.interface, layout: layout,
      vectorCount: vectorCount)
    configuration = header.configuration
    window = header.window
    interrupts = FunctionInterrupts(
      messages: messages, capability: header.messageCapability, line: platform.interruptLine)
    memoryWindow = BaseAddressWindow(
      layout.memoryRegister, in: platform.memorySpace, device: self)
    portWindow = layout.portRegister.map {
      BaseAddressWindow($0, in: platform.portSpace, device: LegacyPorts(function: self))
    }
    lock.withLock { followConfiguration() }
  }

  package var header: PCIFunctionState { lock.withLock { configuration.state(layout.registers) } }

  /// The memory BAR's size in bytes, of which its address must be a multiple.
  package var memorySize: UInt64 { layout.memoryRegister.size }

  /// The I/O BAR's size in ports, of which its address must be a multiple; nil without one.
  package var portCount: UInt64? { layout.portRegister?.size }

  /// Places the BARs, as firmware would; each is decoded once the guest enables its kind of access.
  package func place(memory: UInt64?, ports: UInt64?) {
    lock.withLock {
      if let memory { configuration.setAddress(memory, of: layout.memoryRegister) }
      if let ports, let register = layout.portRegister {
        configuration.setAddress(ports, of: register)
      }
    }
  }

  /// Says which interrupt the pin is wired to, as firmware would for kernels that learn it nowhere else.
  package func route(to interrupt: UInt8) {
    lock.withLock {
      configuration.set(UInt32(interrupt), width: 1, at: PCIRegister.interruptLine)
    }
  }

  /// Takes the function out of the address spaces, when its machine ends or it is pulled out of a
  /// machine that runs. Accesses that are on their way mean nothing from now on.
  package func unplug() {
    lock.withLock {
      isUnplugged = true
      controller.reset()
      resetTransport()
      memoryWindow?.close()
      portWindow?.close()
      memoryWindow = nil
      portWindow = nil
      for register in NotifyRegister.allCases { notifiers.place(register, at: nil) }
    }
  }

  // MARK: Configuration space

  package func readConfiguration(register: Int, width: Int) -> UInt32 {
    lock.withLock {
      if let access = windowAccess(register, width), let window {
        let value = readBAR(offset: access.offset, width: access.width)
        configuration.set(UInt32(truncatingIfNeeded: value), width: 4, at: window.dataRegister)
      }
      return configuration.read(register: register, width: width)
    }
  }

  package func writeConfiguration(register: Int, width: Int, value: UInt32) {
    lock.withLock {
      configuration.write(register: register, width: width, value: value)
      if let access = windowAccess(register, width), let window {
        let data = configuration.read(register: window.dataRegister, width: access.width)
        writeBAR(offset: access.offset, width: access.width, value: UInt64(data))
      }
      followConfiguration()
    }
  }

  private func windowAccess(_ register: Int, _ width: Int) -> ConfigurationWindow.Access? {
    guard let window, window.contains(register: register, width: width) else { return nil }
    return window.access(in: configuration)
  }

  /// A function may reach memory while it is bus master (PCI 3.0, 6.2.2).
  private func followConfiguration() {
    interrupts.follow(&configuration)
    controller.device.setReachesMemory(configuration.isBusMasterEnabled)
    if memoryWindow?.update(from: configuration) == true {
      let address = memoryWindow?.range.map { $0.lowerBound &+ layout.notifyRange.lowerBound }
      notifiers.place(.queueAddresses, at: address)
    }
    if portWindow?.update(from: configuration) == true { placeLegacyNotifier() }
  }

  /// Legacy drivers of old kernels never set the bit; QEMU sets it for them, too.
  func becomeBusMaster() {
    guard !configuration.isBusMasterEnabled else { return }
    configuration.enableBusMaster()
    followConfiguration()
  }

  /// Where the legacy notify register is now.
  func placeLegacyNotifier() {
    let notify = UInt64(LegacyConfiguration.Register.queueNotify.rawValue)
    notifiers.place(.indexPort, at: portWindow?.range.map { $0.lowerBound &+ notify })
  }

  // MARK: The memory BAR

  package func read(offset: UInt64, width: Int) -> UInt64 {
    lock.withLock { readBAR(offset: offset, width: width) }
  }

  package func write(offset: UInt64, width: Int, value: UInt64) {
    lock.withLock { writeBAR(offset: offset, width: width, value: value) }
  }

  private func readBAR(offset: UInt64, width: Int) -> UInt64 {
    guard let (part, offset) = layout.locate(offset, width: width) else { return 0 }
    let at = Int(offset)
    switch part {
    case .common: return common.read(offset: at, width: width, controller: controller)
    case .isr: return at == 0 ? UInt64(interrupts.acknowledge(in: &configuration)) : 0
    case .device: return controller.readDeviceConfiguration(offset: at, width: width)
    case .notify: return 0
    case .messageTable: return interrupts.messages?.readTable(offset: at, width: width) ?? 0
    case .pendingBits: return interrupts.messages?.readPendingBits(offset: at, width: width) ?? 0
    }
  }

  private func writeBAR(offset: UInt64, width: Int, value: UInt64) {
    guard !isUnplugged, let (part, offset) = layout.locate(offset, width: width) else { return }
    let at = Int(offset)
    switch part {
    case .common: writeCommon(at, width, value)
    case .isr, .pendingBits: return
    case .device: controller.writeDeviceConfiguration(offset: at, width: width, value: value)
    case .notify:
      guard controller.isLive else { return }
      notifiers.notify(queue: at / Int(TransportLayout.notifyMultiplier), through: .queueAddresses)
    case .messageTable: interrupts.messages?.writeTable(offset: at, width: width, value: value)
    }
  }

  private func writeCommon(_ offset: Int, _ width: Int, _ value: UInt64) {
    switch CommonConfiguration.Field(rawValue: offset) {
    case .deviceStatus where width == 1:
      let status = DeviceStatus(rawValue: UInt8(truncatingIfNeeded: value))
      controller.writeStatus(status, driver: self)
      if status == [] { resetTransport() }
    case .queueEnable where width == 2 && UInt16(truncatingIfNeeded: value) == 1:
      controller.enableQueue(common.selectedQueue, driver: self)
    default: common.write(offset: offset, width: width, value: value, controller: controller)
    }
  }

  /// What a reset by the driver means here: to either interface, since there is but one device.
  func resetTransport() {
    common.reset()
    legacy.reset()
    _ = interrupts.acknowledge(in: &configuration)
  }
}
