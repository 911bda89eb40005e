import Devices

/// The common configuration structure (virtio 1.2, 4.1.4.3), through which a driver negotiates and
/// sets queues up.
///
/// A driver accesses each field at its own width, 64-bit fields also by halves; a write of any
/// other shape is dropped, a read gives the bytes that are there. Used with the device's lock held.
struct CommonConfiguration {
  /// In bytes.
  static let length = 60

  /// The fields, by offset.
  enum Field: Int, CaseIterable {
    case deviceFeatureSelect = 0x00
    case deviceFeature = 0x04
    case driverFeatureSelect = 0x08
    case driverFeature = 0x0c
    case configurationVector = 0x10
    case queueCount = 0x12
    case deviceStatus = 0x14
    case configurationGeneration = 0x15
    case queueSelect = 0x16
    case queueSize = 0x18
    case queueVector = 0x1a
    case queueEnable = 0x1c
    case queueNotifyOffset = 0x1e
    case queueDescriptors = 0x20
    case queueDriver = 0x28
    case queueDevice = 0x30
    case queueNotifyData = 0x38
    case queueReset = 0x3a

    var width: Int {
      switch self {
      case .deviceFeatureSelect, .deviceFeature, .driverFeatureSelect, .driverFeature: 4
      case .deviceStatus, .configurationGeneration: 1
      case .queueDescriptors, .queueDriver, .queueDevice: 8
      default: 2
      }
    }
  }

  /// MSI-X vectors of the configuration change and of each queue.
  var vectors: VectorMap
  /// Tells the driver that the device configuration changed while it read it.
  var generation = ConfigurationGeneration()

  private var deviceFeatureSelect: UInt32 = 0
  private var driverFeatureSelect: UInt32 = 0
  private var queueSelect: UInt16 = 0

  init(queueCount: Int, vectorCount: Int) {
    vectors = VectorMap(queueCount: queueCount, vectorCount: vectorCount)
  }

  /// As after power-on, but for the generation, which a driver may still compare.
  mutating func reset() {
    vectors.reset()
    deviceFeatureSelect = 0
    driverFeatureSelect = 0
    queueSelect = 0
  }

  // MARK: Reads

  /// The value of `width` bytes at `offset`, wholly within the structure.
  mutating func read(offset: Int, width: Int, controller: VirtioDeviceState) -> UInt64 {
    var value: UInt64 = 0
    for field in Field.allCases
    where field.rawValue < offset + width && offset < field.rawValue + field.width {
      let bits = self.value(of: field, controller)
      let distance = field.rawValue - offset
      value |= distance >= 0 ? bits << UInt64(8 * distance) : bits >> UInt64(-8 * distance)
    }
    return value & .allOnes(width: width)
  }

  private mutating func value(of field: Field, _ controller: VirtioDeviceState) -> UInt64 {
    let index = Int(queueSelect)
    let queue = controller.configuration(ofQueue: index)
    switch field {
    case .deviceFeatureSelect: return UInt64(deviceFeatureSelect)
    case .deviceFeature: return window(controller.offeredFeatures, deviceFeatureSelect)
    case .driverFeatureSelect: return UInt64(driverFeatureSelect)
    case .driverFeature: return window(controller.acceptedFeatures, driverFeatureSelect)
    case .configurationVector: return UInt64(vectors.configuration)
    case .queueCount: return UInt64(UInt16(clamping: vectors.queueCount))
    case .deviceStatus: return UInt64(controller.status.rawValue)
    case .configurationGeneration:
      return UInt64(generation.read(changes: controller.device.configurationChanges))
    case .queueSelect: return UInt64(queueSelect)
    case .queueSize: return UInt64(queue?.size ?? 0)
    case .queueVector: return UInt64(vectors.vector(ofQueue: index))
    case .queueEnable: return controller.isEnabled(queue: index) ? 1 : 0
    case .queueNotifyOffset: return queue == nil ? 0 : UInt64(queueSelect)
    case .queueDescriptors: return queue?.descriptorTable ?? 0
    case .queueDriver: return queue?.availableRing ?? 0
    case .queueDevice: return queue?.usedRing ?? 0
    // A reset is complete when the write returns; notifications carry no data of the device's.
    case .queueReset, .queueNotifyData: return 0
    }
  }

  /// Features come and go 32 at a time; there are none beyond the second 32.
  private func window(_ features: Features, _ select: UInt32) -> UInt64 {
    guard select < 2 else { return 0 }
    return (features.rawValue >> UInt64(32 * select)) & 0xffff_ffff
  }

  // MARK: Writes

  /// The queue that queue fields are about.
  var selectedQueue: Int { Int(queueSelect) }

  /// A driver's write of any field but device_status and queue_enable. Those may end in a
  /// notification, which looks in here: they are the transport's own matter.
  mutating func write(offset: Int, width: Int, value: UInt64, controller: VirtioDeviceState) {
    let wide: [Field] = [.queueDescriptors, .queueDriver, .queueDevice]
    for field in wide where offset >= field.rawValue && offset < field.rawValue + 8 {
      return writeAddress(
        field, offset: offset - field.rawValue, width: width, value: value, controller)
    }
    guard let field = Field(rawValue: offset), field.width == width else { return }
    let index = selectedQueue
    let half = UInt16(truncatingIfNeeded: value)
    switch field {
    case .deviceFeatureSelect: deviceFeatureSelect = UInt32(truncatingIfNeeded: value)
    case .driverFeatureSelect: driverFeatureSelect = UInt32(truncatingIfNeeded: value)
    case .driverFeature: writeFeatures(value, controller)
    case .configurationVector: vectors.setConfiguration(half)
    case .queueSelect: queueSelect = half
    case .queueSize: controller.configureQueue(index) { $0.size = half }
    case .queueVector: vectors.set(half, ofQueue: index)
    case .queueReset where half == 1: resetQueue(index, controller)
    default: return
    }
  }

  private mutating func resetQueue(_ index: Int, _ controller: VirtioDeviceState) {
    controller.resetQueue(index)
    if !controller.isEnabled(queue: index) { vectors.set(VectorMap.none, ofQueue: index) }
  }

  private func writeFeatures(_ value: UInt64, _ controller: VirtioDeviceState) {
    guard driverFeatureSelect < 2 else { return }
    let shift = UInt64(32 * driverFeatureSelect)
    controller.accept(
      Features(rawValue: (value & 0xffff_ffff) << shift),
      within: Features(rawValue: 0xffff_ffff << shift))
  }

  private func writeAddress(
    _ field: Field, offset: Int, width: Int, value: UInt64, _ controller: VirtioDeviceState
  ) {
    guard width == 8 && offset == 0 || width == 4 && offset % 4 == 0 else { return }
    let shift = UInt64(8 * offset)
    let mask: UInt64 = (width == 8 ? .max : 0xffff_ffff) << shift
    controller.configureQueue(Int(queueSelect)) { queue in
      func merge(_ old: UInt64) -> UInt64 { old & ~mask | (value << shift) & mask }
      switch field {
      case .queueDescriptors: queue.descriptorTable = merge(queue.descriptorTable)
      case .queueDriver: queue.availableRing = merge(queue.availableRing)
      default: queue.usedRing = merge(queue.usedRing)
      }
    }
  }
}
