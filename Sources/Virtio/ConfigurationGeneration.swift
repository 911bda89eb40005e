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
