/// The number by which a driver sees that the device configuration changed while it read several
/// fields of it (virtio 1.2, 2.5).
///
/// It moves on when it is read after a change, so that two readings differ exactly if a change
/// lies between them: a plain count of eight bits would come round again after 256 changes.
struct ConfigurationGeneration {
  private var value: UInt8 = 0
  private var hasChanged = false

  /// The device configuration is another one now.
  mutating func change() { hasChanged = true }

  /// What the driver reads.
  mutating func read() -> UInt8 {
    if hasChanged { value &+= 1 }
    hasChanged = false
    return value
  }
}
