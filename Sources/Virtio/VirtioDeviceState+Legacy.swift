// A legacy driver's ways, which a transitional device puts up with: no FEATURES_OK, queues given by
// one page number, and use of the device before DRIVER_OK (virtio 1.2, 3.1.2 and 4.1.4.8).
extension VirtioDeviceState {
  /// A legacy driver's choice of features, which stands until the device is used. Rings that are
  /// there already follow it, since drivers do the two in either order.
  package func acceptLegacy(_ features: Features, driver: any VirtioInterrupt) {
    guard !isLive, !status.contains(.featuresOK) else { return }
    accept(features, within: .legacy)
    for index in queues.enabled.keys.sorted() {
      enableLegacyQueue(index, pageFrame: legacyPageFrame(ofQueue: index), driver: driver)
    }
  }

  /// A legacy driver's write of the status field, in which only bits are added until a reset.
  package func writeLegacyStatus(_ value: DeviceStatus, driver: any VirtioInterrupt) {
    guard value != [] else { return reset() }
    guard !status.contains(.featuresOK) else { return }
    status.formUnion(value.intersection([.acknowledge, .driver, .driverOK, .failed]))
    if status.contains(.driverOK) { activate(driver: driver) }
  }

  /// A legacy driver's write of a queue's page number: the ring lies there in one piece, as long as
  /// the device allows; zero takes the queue out of use. A ring outside memory is a fault.
  package func enableLegacyQueue(
    _ index: Int, pageFrame: UInt32, driver: any VirtioInterrupt
  ) {
    guard status.isDisjoint(with: [.featuresOK, .needsReset]) else { return }
    dropQueue(index)
    guard pageFrame != 0, let configuration = queues.configuration(of: index) else { return }
    queues.configure(index, configuration.legacyRing(atPageFrame: pageFrame))
    useQueue(index, driver: driver)
  }

  /// The page number of queue `index`, zero while it is not in use.
  package func legacyPageFrame(ofQueue index: Int) -> UInt32 {
    guard isEnabled(queue: index) else { return 0 }
    let address = queues.configuration(of: index)?.descriptorTable ?? 0
    return UInt32(truncatingIfNeeded: address / QueueConfiguration.legacyAlignment)
  }

  /// A legacy driver notifies of buffers: where that comes before DRIVER_OK, the device goes live
  /// here, with what was accepted and set up so far.
  package func legacyDriverNotified(driver: any VirtioInterrupt) {
    guard !status.contains(.featuresOK), !queues.enabled.isEmpty else { return }
    activate(driver: driver)
  }
}

extension QueueConfiguration {
  /// The page size of legacy rings, to which the used ring is aligned as well.
  static let legacyAlignment: UInt64 = 4096

  /// A ring of the largest size in one contiguous piece (virtio 1.2, 2.7.2).
  func legacyRing(atPageFrame pageFrame: UInt32) -> QueueConfiguration {
    var ring = QueueConfiguration(maximumSize: maximumSize)
    ring.descriptorTable = UInt64(pageFrame) * Self.legacyAlignment
    ring.availableRing = ring.descriptorTable + 16 * UInt64(maximumSize)
    let end = ring.availableRing + 2 * (3 + UInt64(maximumSize))
    ring.usedRing = (end + Self.legacyAlignment - 1) & ~(Self.legacyAlignment - 1)
    return ring
  }
}
