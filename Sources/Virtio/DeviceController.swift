import GuestMemory

/// The part of a virtio device that all device types and all transports share: status, feature
/// negotiation, and the set-up of queues (virtio 1.2, 2.1, 2.2, 3.1).
///
/// A transport translates register accesses into calls here. Every call holds the device's lock.
package final class DeviceController {
  /// The device type.
  package let device: any VirtioDevice
  private let memory: GuestMemory

  /// The status field as the driver reads it.
  package private(set) var status: DeviceStatus = []
  /// What the driver has accepted so far; final once FEATURES_OK is set.
  package private(set) var acceptedFeatures: Features = []
  /// How often drivers broke the device since it was made.
  package private(set) var faultCount = 0

  private var configurations: [QueueConfiguration]
  private var queues: [Virtqueue?]
  private var isActive = false

  package init(device: any VirtioDevice, memory: GuestMemory) {
    self.device = device
    self.memory = memory
    configurations = Self.freshConfigurations(of: device)
    queues = Array(repeating: nil, count: device.queueCount)
  }

  /// Everything the driver may accept.
  package var offeredFeatures: Features { device.offeredFeatures.union(.ring) }

  /// Bits the device does not offer, and any after FEATURES_OK, are left out.
  package func accept(_ features: Features, within mask: Features) {
    guard !status.contains(.featuresOK) else { return }
    acceptedFeatures = acceptedFeatures.subtracting(mask).union(
      features.intersection(mask).intersection(offeredFeatures))
  }

  /// A driver's write of the status field. An illegal write changes nothing.
  package func writeStatus(_ value: DeviceStatus, driver: any DriverNotifier) {
    guard value != [] else { return reset() }
    guard let steps = status.steps(toReach: value) else { return }
    for step in steps {
      switch step {
      case .featuresOK:
        guard acceptedFeatures.contains(.version1) else { return }  // refused by staying clear
        status.insert(.featuresOK)
      case .driverOK:
        status.insert(.driverOK)
        activate(driver: driver)
      default: status.insert(step)
      }
    }
  }

  /// Back to the state after power-on (virtio 1.2, 2.4).
  package func reset() {
    deactivate()
    status = []
    acceptedFeatures = []
    configurations = Self.freshConfigurations(of: device)
    queues = Array(repeating: nil, count: queues.count)
  }

  // MARK: Queues

  /// The configuration of queue `index`, or nil where there is no such queue.
  package func configuration(ofQueue index: Int) -> QueueConfiguration? {
    configurations.indices.contains(index) ? configurations[index] : nil
  }

  /// Changes a queue's configuration, which is possible after FEATURES_OK and before the queue is
  /// enabled or the device is live.
  package func configureQueue(_ index: Int, _ change: (inout QueueConfiguration) -> Void) {
    guard canConfigure(index) else { return }
    change(&configurations[index])
  }

  /// Whether queue `index` is enabled.
  package func isEnabled(queue index: Int) -> Bool {
    queues.indices.contains(index) && queues[index] != nil
  }

  /// A driver's write of one to queue_enable. Broken addresses or sizes are a fault.
  package func enableQueue(_ index: Int, driver: any DriverNotifier) {
    guard canConfigure(index) else { return }
    do {
      queues[index] = try Virtqueue(
        index: index, configuration: configurations[index], features: acceptedFeatures,
        memory: memory)
    } catch {
      driver.fail(error)
    }
  }

  private func canConfigure(_ index: Int) -> Bool {
    queues.indices.contains(index) && queues[index] == nil && status.contains(.featuresOK)
      && status.isDisjoint(with: [.driverOK, .needsReset])
  }

  // MARK: Live and not

  /// Whether notifications and configuration changes mean anything now.
  package var isLive: Bool { isActive }

  /// Makes the device inert and sets DEVICE_NEEDS_RESET; returns whether the driver must be told
  /// by a configuration change notification (virtio 1.2, 2.1.2).
  package func setNeedsReset() -> Bool {
    faultCount &+= 1
    deactivate()
    status.insert(.needsReset)
    return status.contains(.driverOK)
  }

  private func activate(driver: any DriverNotifier) {
    guard !status.contains(.needsReset) else { return }
    isActive = true
    device.activate(queues: queues, features: acceptedFeatures, driver: driver)
  }

  private func deactivate() {
    guard isActive else { return }
    isActive = false
    device.deactivate()
  }

  private static func freshConfigurations(of device: any VirtioDevice) -> [QueueConfiguration] {
    (0..<device.queueCount).map { QueueConfiguration(maximumSize: device.maximumSize(ofQueue: $0)) }
  }
}
