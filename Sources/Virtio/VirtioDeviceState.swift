import GuestMemory

/// The part of a virtio device that all device types and all transports share: status, feature
/// negotiation, and the set-up of queues (virtio 1.2, 2.1, 2.2, 3.1).
///
/// A transport translates register accesses into calls here. Every call holds the device's lock.
package final class VirtioDeviceState {
  /// The device type.
  package let device: any VirtioDevice
  /// Everything the driver may accept.
  package let offeredFeatures: Features

  /// The status field as the driver reads it.
  package internal(set) var status: DeviceStatus = []
  /// What the driver has accepted so far; final once FEATURES_OK is set or the device is live.
  package private(set) var acceptedFeatures: Features = []
  /// How often drivers broke the device since it was made.
  package private(set) var faultCount = 0
  /// Whether notifications and configuration changes mean anything now.
  package private(set) var isLive = false

  var queues: QueueTable
  private let memory: GuestMemory

  /// - Parameters:
  ///   - allowedFeatures: what may be offered of all there is; a feature goes with one it needs.
  ///   - isTransitional: whether legacy drivers may come as well (virtio 1.2, 1.3.1).
  package init(
    device: any VirtioDevice, memory: GuestMemory, allowedFeatures: Features = .all,
    isTransitional: Bool = false
  ) {
    self.device = device
    self.memory = memory
    let ownFeatures: Features = isTransitional ? .ring.union(.anyLayout) : .ring
    offeredFeatures =
      device.offeredFeatures.intersection(.deviceType).union(ownFeatures)
      .intersection(allowedFeatures).withoutUnmetPrerequisites
    queues = QueueTable(count: device.queueCount) { device.maximumSize(ofQueue: $0) }
  }

  /// Bits the device does not offer, and any after FEATURES_OK, are left out.
  package func accept(_ features: Features, within mask: Features) {
    guard !status.contains(.featuresOK), !isLive else { return }
    acceptedFeatures = acceptedFeatures.subtracting(mask).union(
      features.intersection(mask).intersection(offeredFeatures))
  }

  /// A driver's write of the status field. An illegal write changes nothing.
  package func writeStatus(_ value: DeviceStatus, driver: any VirtioInterrupt) {
    guard value != [] else { return reset() }
    guard let steps = status.steps(toReach: value) else { return }
    for step in steps {
      switch step {
      case .featuresOK:
        guard canFinishNegotiation else { return }  // refused by staying clear
        status.insert(.featuresOK)
      case .driverOK:
        status.insert(.driverOK)
        activate(driver: driver)
      default: status.insert(step)
      }
    }
  }

  private var canFinishNegotiation: Bool {
    acceptedFeatures.contains(.version1) && !isLive
      && acceptedFeatures == acceptedFeatures.withoutUnmetPrerequisites
  }

  /// What both sides go by: until FEATURES_OK, only what a legacy driver can have accepted.
  private var effectiveFeatures: Features {
    status.contains(.featuresOK) ? acceptedFeatures : acceptedFeatures.intersection(.legacy)
  }

  /// Back to the state after power-on (virtio 1.2, 2.4).
  package func reset() {
    deactivate()
    status = []
    acceptedFeatures = []
    queues.reset()
  }

  /// Makes the device inert and sets DEVICE_NEEDS_RESET; returns whether the driver must be told
  /// by a configuration change notification (virtio 1.2, 2.1.2).
  package func setNeedsReset() -> Bool {
    faultCount &+= 1
    deactivate()
    status.insert(.needsReset)
    return status.contains(.driverOK)
  }

  /// The queues enabled so far are the device's from now on.
  func activate(driver: any VirtioInterrupt) {
    guard !isLive, !status.contains(.needsReset) else { return }
    isLive = true
    device.activate(queues: queues.enabled, features: effectiveFeatures, driver: driver)
  }

  private func deactivate() {
    guard isLive else { return }
    isLive = false
    device.deactivate()
  }

  /// Puts queue `index` to use as it is configured. Broken addresses or sizes are a fault.
  func useQueue(_ index: Int, driver: any VirtioInterrupt) {
    guard let configuration = queues.configuration(of: index) else { return }
    do {
      let queue = try Virtqueue(
        index: index, configuration: configuration, features: effectiveFeatures, memory: memory,
        statistics: queues.statistics(of: index) ?? QueueStatistics())
      queues.enable(index, queue)
      if isLive { device.queueEnabled(index, queue: queue) }
    } catch {
      queues.countFault(index)
      driver.fail(error)
    }
  }

  /// Takes queue `index` out of use, and forgets what was set for it.
  func dropQueue(_ index: Int) {
    guard isEnabled(queue: index) else { return }
    if isLive { device.resetQueue(index) }
    queues.reset(index)
  }

  // MARK: Queue set-up, as drivers of virtio 1 do it (virtio 1.2, 4.1.4.3, 4.1.5.1.3)

  /// The configuration of queue `index`, or nil where there is no such queue.
  package func configuration(ofQueue index: Int) -> QueueConfiguration? {
    queues.configuration(of: index)
  }

  /// Changes a queue's configuration, which is possible after FEATURES_OK while the queue is not
  /// enabled, and once the device is live only for a queue that was reset by itself.
  package func configureQueue(_ index: Int, _ change: (inout QueueConfiguration) -> Void) {
    guard canConfigure(index), var configuration = queues.configuration(of: index) else { return }
    change(&configuration)
    queues.configure(index, configuration)
  }

  /// Whether queue `index` is enabled.
  package func isEnabled(queue index: Int) -> Bool { queues.enabled[index] != nil }

  /// A driver's write of one to queue_enable. Broken addresses or sizes are a fault.
  package func enableQueue(_ index: Int, driver: any VirtioInterrupt) {
    guard canConfigure(index) else { return }
    useQueue(index, driver: driver)
  }

  /// A driver's write of one to queue_reset: when this returns, the device has let go of the queue,
  /// which the driver may set up anew (virtio 1.2, 2.6.1).
  package func resetQueue(_ index: Int) {
    guard status.contains(.featuresOK), acceptedFeatures.contains(.ringReset),
      !status.contains(.needsReset)
    else { return }
    dropQueue(index)
  }

  /// What happened on queue `index` since the device was made; nil if it was never in use.
  package func statistics(ofQueue index: Int) -> QueueStatistics? { queues.statistics(of: index) }

  /// A driver's write of zero to QueueReady, which virtio-mmio drivers stop a queue with
  /// (virtio 1.2, 4.2.2.2); whether the device is live or not.
  package func disableQueue(_ index: Int) {
    guard status.contains(.featuresOK), !status.contains(.needsReset) else { return }
    dropQueue(index)
  }

  private func canConfigure(_ index: Int) -> Bool {
    guard status.contains(.featuresOK), !status.contains(.needsReset), !isEnabled(queue: index)
    else { return false }
    return !status.contains(.driverOK) || queues.wasReset(index)
  }

  // MARK: The device-specific configuration

  /// `width` bytes of the device-specific configuration; zero beyond its end.
  func readDeviceConfiguration(offset: Int, width: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<width where offset + index < device.configurationLength {
      let byte = device.readConfiguration(offset: offset + index)
      value |= UInt64(byte) << UInt64(8 * index)
    }
    return value
  }

  /// A driver's write; dropped unless it lies wholly in the device-specific configuration.
  func writeDeviceConfiguration(offset: Int, width: Int, value: UInt64) {
    guard offset + width <= device.configurationLength else { return }
    device.writeConfiguration(offset: offset, width: width, value: value)
  }
}

/// The number by which a driver sees that the device configuration changed while it read several
/// fields of it (virtio 1.2, 2.5).
///
/// It moves on when it is read after a change, so that two readings differ exactly if a change
/// lies between them: a plain count of eight bits would come round again after 256 changes.
struct ConfigurationGeneration {
  private var value: UInt8 = 0
  private var changesSeen: UInt64 = 0

  /// What the driver reads.
  ///
  /// - Parameter changes: how often the device configuration has changed.
  mutating func read(changes: UInt64) -> UInt8 {
    if changes != changesSeen { value &+= 1 }
    changesSeen = changes
    return value
  }
}
