import Devices

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
