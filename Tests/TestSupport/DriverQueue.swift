import GuestMemory
import Virtio

/// An honest guest driver's side of one virtqueue, whatever its layout.
package protocol DriverQueue: AnyObject {
  /// Entries of the ring.
  var size: UInt16 { get }
  /// What the driver would write to the transport's registers.
  func configuration(maximumSize: UInt16) -> QueueConfiguration

  /// Makes one chain available; returns by what it will be used.
  @discardableResult func publish(_ buffers: [MockQueue.Buffer]) -> UInt16
  /// The same for a chain whose buffers are listed in an indirect table at `table`.
  @discardableResult func publishIndirect(_ buffers: [MockQueue.Buffer], table: UInt64) -> UInt16
  /// The chains used since the last call: by what, and the written length.
  func takeUsed() -> [(id: UInt32, length: UInt32)]

  /// Whether the device is to notify of used buffers.
  func setWantsInterrupts(_ wanted: Bool)
  /// With EVENT_IDX: notify when the used entry `distance` places from the next expected is written.
  func askForInterrupt(at distance: Int)
  /// Whether the device wants to be notified of what was published since the last call.
  func takeKick() -> Bool
}

extension DriverQueue {
  /// With the maximum that most tests' devices have.
  package func configuration() -> QueueConfiguration { configuration(maximumSize: 256) }
}

/// The two layouts of a virtqueue, for tests that run on both.
package enum RingLayout: String, CaseIterable, Sendable {
  case split, packed

  /// The feature that chooses it.
  package var features: Features { self == .packed ? [.version1, .packedRing] : .version1 }

  /// A driver's side of it, and the device's.
  ///
  /// - Parameter start: as `Virtqueue.init` has it.
  package func makeQueue(
    _ memory: GuestMemory, index: Int = 5, base: UInt64 = 0x1000, size: UInt16 = 8,
    features: Features = .indirectDescriptors, start: UInt16? = nil
  ) throws(QueueFault) -> (driver: any DriverQueue, device: Virtqueue) {
    let driver = makeDriver(
      memory, base: base, size: size, usesEventIndex: features.contains(.eventIndex), start: start)
    let device = try Virtqueue(
      index: index, configuration: driver.configuration(maximumSize: 1 << 15),
      features: features.union(self.features), memory: memory, start: start)
    return (driver, device)
  }

  /// A driver's side alone.
  package func makeDriver(
    _ memory: GuestMemory, base: UInt64, size: UInt16, usesEventIndex: Bool = false,
    start: UInt16? = nil
  ) -> any DriverQueue {
    switch self {
    case .split:
      MockQueue(
        memory: memory, base: base, size: size, startIndex: start ?? 0,
        usesEventIndex: usesEventIndex)
    case .packed:
      MockPackedQueue(
        memory: memory, base: base, size: size, start: start ?? 0x8000,
        usesEventIndex: usesEventIndex)
    }
  }
}
