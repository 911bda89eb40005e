// Queue set-up as drivers of virtio 1 do it (virtio 1.2, 4.1.4.3, 4.1.5.1.3).
extension VirtioDeviceState {
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
}
