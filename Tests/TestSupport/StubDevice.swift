import Virtio

/// A device that does nothing but remember what the transport told it.
package final class StubDevice: VirtioDevice {
  package let deviceID: UInt16 = 3
  package let offeredFeatures: Features
  package let queueCount: Int
  package let configurationLength = 6
  /// The device-specific configuration.
  package var configuration: [UInt8] = [1, 2, 3, 4, 5, 6]
  package private(set) var configurationChanges: UInt64 = 0
  package private(set) var activations: [Features] = []
  package private(set) var queues: [Int: Virtqueue] = [:]
  /// The numbers of `queues`.
  package var enabledQueues: [Int] { queues.keys.sorted() }
  package private(set) var deactivations = 0
  package private(set) var reachesMemory = true
  package private(set) weak var driver: (any VirtioInterrupt)?

  package init(queueCount: Int = 4, features: Features = [.init(bit: 0), .init(bit: 5)]) {
    self.queueCount = queueCount
    offeredFeatures = features
  }

  /// The configuration changes, and a driver that is there is told.
  package func changeConfiguration() {
    configurationChanges &+= 1
    driver?.notifyConfigurationChange()
  }

  package func maximumSize(ofQueue index: Int) -> UInt16 { 64 }
  package func readConfiguration(offset: Int) -> UInt8 { configuration[offset] }

  package func writeConfiguration(offset: Int, width: Int, value: UInt64) {
    for index in 0..<width {
      configuration[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
  }

  package func activate(queues: [Int: Virtqueue], features: Features, driver: any VirtioInterrupt) {
    activations.append(features)
    self.queues = queues
    self.driver = driver
  }

  package func queueEnabled(_ index: Int, queue: Virtqueue) { queues[index] = queue }
  package func resetQueue(_ index: Int) { queues[index] = nil }

  package func deactivate() { deactivations += 1 }
  package func setReachesMemory(_ reaches: Bool) { reachesMemory = reaches }
  package func serves(queue index: Int) -> Bool { true }
  package func queueNotified(_ index: Int) {}
}
