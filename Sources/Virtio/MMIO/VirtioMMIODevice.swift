import Devices
import GuestMemory

/// A virtio device in the memory map (virtio 1.2, 4.2), version 2, with one level-triggered
/// interrupt.
///
/// Register accesses come from vCPU threads and take the device's lock; the device's thread enters
/// through the device and calls back as `VirtioInterrupt` with the lock held.
///
/// `@unchecked Sendable`: all mutable state is guarded by `lock`.
package final class VirtioMMIODevice: AddressSpaceDevice, @unchecked Sendable {
  /// The platform a device is plugged into.
  package struct Platform {
    /// The space its registers appear in.
    package var memorySpace: AddressSpace
    /// Its interrupt.
    package var interruptLine: any InterruptLine
    /// Carries notifications away.
    package var notifiers: any QueueNotifierBinding
    /// Told of each fault of the guest's, with the lock held.
    package var onFault: @Sendable (QueueFault) -> Void

    package init(
      memorySpace: AddressSpace, interruptLine: any InterruptLine,
      notifiers: any QueueNotifierBinding, onFault: @escaping @Sendable (QueueFault) -> Void
    ) {
      self.memorySpace = memorySpace
      self.interruptLine = interruptLine
      self.notifiers = notifiers
      self.onFault = onFault
    }
  }

  /// Bits of the interrupt status.
  private enum Cause {
    static let usedBuffers: UInt32 = 1
    static let configurationChange: UInt32 = 2
  }

  private let lock: DeviceLock
  private let controller: VirtioDeviceState
  private let platform: Platform
  private var registers = MMIORegisters()
  private var interruptStatus: UInt32 = 0 {
    didSet {
      guard (interruptStatus == 0) != (oldValue == 0) else { return }
      platform.interruptLine.setLevel(interruptStatus != 0)
    }
  }
  private var range: Range<UInt64>?

  /// `lock` is the device's own; it appears nowhere before it is plugged in.
  package init(
    device: any VirtioDevice, lock: DeviceLock, memory: GuestMemory, platform: Platform,
    allowedFeatures: Features = .all
  ) {
    self.lock = lock
    self.platform = platform
    controller = VirtioDeviceState(
      device: device, memory: memory, allowedFeatures: allowedFeatures)
  }

  /// Puts the registers at `range`, as long as they and the device configuration need.
  package func plug(at range: Range<UInt64>) throws(AddressSpaceConflict) {
    try platform.memorySpace.add(range, device: self)
    lock.withLock {
      self.range = range
      let notify = UInt64(MMIORegisters.Register.queueNotify.rawValue)
      platform.notifiers.place(.indexRegister, at: range.lowerBound + notify)
    }
  }

  /// Takes the device out of the address space, when its machine ends.
  package func unplug() {
    lock.withLock {
      resetDevice()
      platform.notifiers.place(.indexRegister, at: nil)
      if let range { platform.memorySpace.remove(range, device: self) }
      range = nil
    }
  }

  // MARK: Accesses

  package func read(offset: UInt64, width: Int) -> UInt64 {
    let at = Int(truncatingIfNeeded: offset)
    return lock.withLock {
      guard at < MMIORegisters.length else {
        return controller.readDeviceConfiguration(offset: at - MMIORegisters.length, width: width)
      }
      guard width == 4, let register = MMIORegisters.Register(rawValue: at) else { return 0 }
      if register == .interruptStatus { return UInt64(interruptStatus) }
      return UInt64(registers.read(register, controller: controller))
    }
  }

  package func write(offset: UInt64, width: Int, value: UInt64) {
    let at = Int(truncatingIfNeeded: offset)
    lock.withLock {
      guard at < MMIORegisters.length else {
        return controller.writeDeviceConfiguration(
          offset: at - MMIORegisters.length, width: width, value: value)
      }
      guard width == 4, let register = MMIORegisters.Register(rawValue: at) else { return }
      write(register, UInt32(truncatingIfNeeded: value))
    }
  }

  private func write(_ register: MMIORegisters.Register, _ value: UInt32) {
    switch register {
    case .status where value == 0: resetDevice()
    case .status:
      guard let status = UInt8(exactly: value) else { return }
      controller.writeStatus(DeviceStatus(rawValue: status), driver: self)
    case .queueNotify:
      guard controller.isLive, controller.configuration(ofQueue: Int(value)) != nil else { return }
      platform.notifiers.notify(queue: Int(value), through: .indexRegister)
    case .interruptAcknowledge: interruptStatus &= ~value
    case .queueReady where value == 1:
      controller.enableQueue(registers.selectedQueue, driver: self)
    default: registers.write(register, value, controller: controller)
    }
  }

  private func resetDevice() {
    controller.reset()
    registers.reset()
    interruptStatus = 0
  }
}

// MARK: - From the device to the driver

extension VirtioMMIODevice: VirtioInterrupt {
  package func notifyUsedBuffers(queue: Int) { interruptStatus |= Cause.usedBuffers }

  package func notifyConfigurationChange() {
    interruptStatus |= Cause.configurationChange
  }

  package func fail(_ fault: QueueFault) {
    platform.onFault(fault)
    if controller.setNeedsReset() { notifyConfigurationChange() }
  }
}

/// The control registers of a virtio-mmio device (virtio 1.2, 4.2.2): 32 bits each, read and written
/// whole. Used with the device's lock held.
struct MMIORegisters {
  /// "virt".
  private static let magic: UInt32 = 0x7472_6976
  private static let version: UInt32 = 2
  private static let vendor: UInt32 = 0x1af4

  /// The length of the registers; the device configuration follows them.
  static let length = 0x100

  /// The registers, by offset.
  enum Register: Int {
    case magicValue = 0x000
    case version = 0x004
    case deviceID = 0x008
    case vendorID = 0x00c
    case deviceFeatures = 0x010
    case deviceFeaturesSelect = 0x014
    case driverFeatures = 0x020
    case driverFeaturesSelect = 0x024
    case queueSelect = 0x030
    case queueSizeMax = 0x034
    case queueSize = 0x038
    case queueReady = 0x044
    case queueNotify = 0x050
    case interruptStatus = 0x060
    case interruptAcknowledge = 0x064
    case status = 0x070
    case queueDescriptorsLow = 0x080
    case queueDescriptorsHigh = 0x084
    case queueDriverLow = 0x090
    case queueDriverHigh = 0x094
    case queueDeviceLow = 0x0a0
    case queueDeviceHigh = 0x0a4
    case sharedMemoryLengthLow = 0x0b0
    case sharedMemoryLengthHigh = 0x0b4
    case sharedMemoryBaseLow = 0x0b8
    case sharedMemoryBaseHigh = 0x0bc
    case queueReset = 0x0c0
    case configurationGeneration = 0x0fc
  }

  /// Tells the driver that the device configuration changed while it read it.
  var generation = ConfigurationGeneration()

  private var deviceFeaturesSelect: UInt32 = 0
  private var driverFeaturesSelect: UInt32 = 0
  private var queueSelect: UInt32 = 0

  /// As after power-on, but for the generation, which a driver may still compare.
  mutating func reset() {
    deviceFeaturesSelect = 0
    driverFeaturesSelect = 0
    queueSelect = 0
  }

  /// The queue that queue registers are about.
  var selectedQueue: Int { Int(queueSelect) }

  /// What the driver reads; zero in registers that are only written. The interrupt status is the
  /// transport's.
  mutating func read(_ register: Register, controller: VirtioDeviceState) -> UInt32 {
    switch register {
    case .magicValue: return Self.magic
    case .version: return Self.version
    case .deviceID: return UInt32(controller.device.deviceID)
    case .vendorID: return Self.vendor
    case .deviceFeatures:
      guard deviceFeaturesSelect < 2 else { return 0 }
      let features = controller.offeredFeatures.rawValue
      return UInt32(truncatingIfNeeded: features >> UInt64(32 * deviceFeaturesSelect))
    case .queueSizeMax:
      return UInt32(controller.configuration(ofQueue: selectedQueue)?.maximumSize ?? 0)
    case .queueReady: return controller.isEnabled(queue: selectedQueue) ? 1 : 0
    case .status: return UInt32(controller.status.rawValue)
    case .configurationGeneration:
      return UInt32(generation.read(changes: controller.device.configurationChanges))
    case .sharedMemoryLengthLow, .sharedMemoryLengthHigh, .sharedMemoryBaseLow,
      .sharedMemoryBaseHigh:
      return .max  // no such region (4.2.2.1)
    default: return 0
    }
  }

  /// A driver's write of any register but the notification, the acknowledgement, and those that may
  /// end in a configuration change, which is noted in here: the status, and one in queueReady.
  mutating func write(_ register: Register, _ value: UInt32, controller: VirtioDeviceState) {
    switch register {
    case .deviceFeaturesSelect: deviceFeaturesSelect = value
    case .driverFeaturesSelect: driverFeaturesSelect = value
    case .driverFeatures: writeFeatures(value, controller)
    case .queueSelect: queueSelect = value
    case .queueSize:
      controller.configureQueue(selectedQueue) { $0.size = UInt16(clamping: value) }
    case .queueReady where value == 0: controller.disableQueue(selectedQueue)
    case .queueReset where value == 1: controller.resetQueue(selectedQueue)
    case .queueDescriptorsLow, .queueDescriptorsHigh, .queueDriverLow, .queueDriverHigh,
      .queueDeviceLow, .queueDeviceHigh:
      writeAddress(register, value, controller)
    default: return
    }
  }

  private func writeFeatures(_ value: UInt32, _ controller: VirtioDeviceState) {
    guard driverFeaturesSelect < 2 else { return }
    let shift = UInt64(32 * driverFeaturesSelect)
    controller.accept(
      Features(rawValue: UInt64(value) << shift), within: Features(rawValue: 0xffff_ffff << shift))
  }

  private func writeAddress(
    _ register: Register, _ value: UInt32, _ controller: VirtioDeviceState
  ) {
    let shift: UInt64 = register.rawValue & 4 == 0 ? 0 : 32
    func merge(_ address: inout UInt64) {
      address = address & ~(0xffff_ffff << shift) | UInt64(value) << shift
    }
    controller.configureQueue(selectedQueue) { queue in
      switch register {
      case .queueDescriptorsLow, .queueDescriptorsHigh: merge(&queue.descriptorTable)
      case .queueDriverLow, .queueDriverHigh: merge(&queue.availableRing)
      default: merge(&queue.usedRing)
      }
    }
  }
}
