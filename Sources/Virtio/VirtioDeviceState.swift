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
}
