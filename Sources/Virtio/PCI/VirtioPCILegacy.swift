import Devices

/// The registers of the legacy interface, in I/O space (virtio 1.2, 4.1.4.10): little-endian, since
/// the guest is.
///
/// Reads of any width give the bytes that are there; a write takes effect at the field's own width.
/// Used with the device's lock held.
struct LegacyConfiguration {
  /// The registers, by offset.
  enum Register: Int, CaseIterable {
    case deviceFeatures = 0
    case driverFeatures = 4
    case queueAddress = 8
    case queueSize = 12
    case queueSelect = 14
    case queueNotify = 16
    case deviceStatus = 18
    case interruptStatus = 19
    case configurationVector = 20
    case queueVector = 22

    var width: Int {
      switch self {
      case .deviceFeatures, .driverFeatures, .queueAddress: 4
      case .deviceStatus, .interruptStatus: 1
      default: 2
      }
    }
  }

  /// The length of the registers with MSI-X enabled; without, the last two are not there.
  static let longestLength = 24

  /// The length of the registers; the device configuration follows them.
  static func length(usesMessages: Bool) -> Int { usesMessages ? longestLength : 20 }

  private var queueSelect: UInt16 = 0

  /// As after power-on.
  mutating func reset() { self = LegacyConfiguration() }

  // MARK: Reads

  /// The value of `width` bytes at `offset` in the registers. The ISR status is the transport's.
  func read(offset: Int, width: Int, controller: VirtioDeviceState, vectors: VectorMap) -> UInt64 {
    var value: UInt64 = 0
    for register in Register.allCases
    where register.rawValue < offset + width && offset < register.rawValue + register.width {
      let bits = self.value(of: register, controller, vectors)
      let distance = register.rawValue - offset
      value |= distance >= 0 ? bits << UInt64(8 * distance) : bits >> UInt64(-8 * distance)
    }
    return value & .allOnes(width: width)
  }

  private func value(
    of register: Register, _ controller: VirtioDeviceState, _ vectors: VectorMap
  ) -> UInt64 {
    let index = Int(queueSelect)
    return switch register {
    case .deviceFeatures: controller.offeredFeatures.intersection(.legacy).rawValue
    case .driverFeatures: controller.acceptedFeatures.intersection(.legacy).rawValue
    case .queueAddress: UInt64(controller.legacyPageFrame(ofQueue: index))
    case .queueSize: UInt64(controller.configuration(ofQueue: index)?.maximumSize ?? 0)
    case .queueSelect: UInt64(queueSelect)
    case .queueNotify, .interruptStatus: 0
    case .deviceStatus: UInt64(controller.status.rawValue)
    case .configurationVector: UInt64(vectors.configuration)
    case .queueVector: UInt64(vectors.vector(ofQueue: index))
    }
  }

  // MARK: Writes

  /// The register that a write of `width` bytes at `offset` is for, if it is for one.
  static func register(offset: Int, width: Int) -> Register? {
    guard let register = Register(rawValue: offset), register.width == width else { return nil }
    return register
  }

  /// The queue that queue registers are about.
  var selectedQueue: Int { Int(queueSelect) }

  /// A driver's write of a selector or a vector. All else may end in a notification, for which the
  /// transport looks at the vectors: it is the transport's own matter.
  mutating func write(_ register: Register, _ value: UInt64, vectors: inout VectorMap) {
    let half = UInt16(truncatingIfNeeded: value)
    switch register {
    case .queueSelect: queueSelect = half
    case .configurationVector: vectors.setConfiguration(half)
    case .queueVector: vectors.set(half, ofQueue: selectedQueue)
    default: return
    }
  }
}

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
    notifiers.notify(queue: queue, through: .indexPort)
  }

  /// After a reset the first notification must come here again, wherever it comes before DRIVER_OK.
  private func writeLegacyStatus(_ value: UInt8) {
    let status = DeviceStatus(rawValue: value)
    if status.contains(.driver) { becomeBusMaster() }
    controller.writeLegacyStatus(status, driver: self)
    guard value == 0 else { return }
    resetTransport()
    placeLegacyNotifier()
  }
}

/// A function's I/O region: the legacy registers, and the device configuration behind them.
final class LegacyPorts: AddressSpaceDevice {
  private let function: VirtioPCIFunction

  init(function: VirtioPCIFunction) { self.function = function }

  func read(offset: UInt64, width: Int) -> UInt64 {
    function.readPorts(offset: Int(truncatingIfNeeded: offset), width: width)
  }

  func write(offset: UInt64, width: Int, value: UInt64) {
    function.writePorts(offset: Int(truncatingIfNeeded: offset), width: width, value: value)
  }
}
