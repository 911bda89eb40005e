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
    package var doorbells: any QueueNotifierBinding
    /// Told of each fault of the guest's, with the lock held.
    package var onFault: @Sendable (QueueFault) -> Void

    package init(
      memorySpace: AddressSpace, interruptLine: any InterruptLine,
      doorbells: any QueueNotifierBinding, onFault: @escaping @Sendable (QueueFault) -> Void
    ) {
      self.memorySpace = memorySpace
      self.interruptLine = interruptLine
      self.doorbells = doorbells
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
      platform.doorbells.place(.indexRegister, at: range.lowerBound + notify)
    }
  }

  /// Takes the device out of the address space, when its machine ends.
  package func unplug() {
    lock.withLock {
      resetDevice()
      platform.doorbells.place(.indexRegister, at: nil)
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
      platform.doorbells.ring(queue: Int(value), through: .indexRegister)
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
