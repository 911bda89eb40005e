/// The device status field (virtio 1.2, 2.1).
package struct DeviceStatus: OptionSet, Sendable, Hashable {
  /// The field as the driver reads it.
  package let rawValue: UInt8

  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The guest has noticed the device.
  package static let acknowledge = DeviceStatus(rawValue: 1)
  /// The guest knows how to drive it.
  package static let driver = DeviceStatus(rawValue: 2)
  /// The driver is ready: queues may be used.
  package static let driverOK = DeviceStatus(rawValue: 4)
  /// Feature negotiation is complete.
  package static let featuresOK = DeviceStatus(rawValue: 8)
  /// The device met an error it cannot recover from by itself. Only the device sets it.
  package static let needsReset = DeviceStatus(rawValue: 64)
  /// The guest has given up on the device.
  package static let failed = DeviceStatus(rawValue: 128)

  /// The steps of initialization in the only legal order (virtio 1.2, 3.1.1): each bit may be set
  /// once all bits before it are.
  package static let initializationSteps: [DeviceStatus] = [
    .acknowledge, .driver, .featuresOK, .driverOK,
  ]

  /// The steps that a driver's write of `written` adds, in order, or nil where the write is
  /// illegal and must change nothing: it clears a bit, skips a step, or sets an undefined bit.
  ///
  /// Writing zero is a reset, not a step, and is not asked here. A driver may set `failed` at any
  /// time. What it writes to `needsReset` is ignored, since that bit is the device's.
  package func steps(toReach written: DeviceStatus) -> [DeviceStatus]? {
    let wanted = written.subtracting(.needsReset)
    let current = subtracting(.needsReset)
    guard wanted.isSuperset(of: current) else { return nil }
    var added = wanted.subtracting(current)
    var reached = current
    var steps: [DeviceStatus] = []
    if added.contains(.failed) {
      steps.append(.failed)
      added.remove(.failed)
    }
    for step in Self.initializationSteps {
      guard !reached.contains(step) else { continue }
      guard added.contains(step) else { break }
      steps.append(step)
      added.remove(step)
      reached.insert(step)
    }
    return added.isEmpty ? steps : nil
  }
}
