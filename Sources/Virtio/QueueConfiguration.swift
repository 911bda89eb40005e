/// What a driver sets for one queue before it enables it (virtio 1.2, 4.1.4.3).
package struct QueueConfiguration: Equatable, Sendable {
  /// The largest size the device supports; zero for a queue that does not exist.
  package let maximumSize: UInt16
  /// The size the driver chose, the maximum until it does.
  package var size: UInt16
  /// Guest address of the descriptor area.
  package var descriptorTable: UInt64 = 0
  /// Guest address of the driver area: the available ring, or in a packed ring the driver's event
  /// suppression structure.
  package var availableRing: UInt64 = 0
  /// Guest address of the device area: the used ring, or in a packed ring the device's event
  /// suppression structure.
  package var usedRing: UInt64 = 0

  /// As after a reset.
  package init(maximumSize: UInt16) {
    self.maximumSize = maximumSize
    size = maximumSize
  }
}
