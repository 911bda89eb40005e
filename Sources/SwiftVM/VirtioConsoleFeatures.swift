/// Which optional virtio features a device offers. The guest's driver takes of them what it knows.
public struct VirtioConsoleFeatures: Equatable, Sendable {
  /// Queues may be packed rings (VIRTIO_F_RING_PACKED). Off unless asked for, as in other monitors:
  /// drivers have seen split rings for much longer.
  public var packedRing = false

  /// Each side says at which buffer it wants to be notified (VIRTIO_F_EVENT_IDX).
  public var eventIndex = true

  /// A descriptor may refer to a table of descriptors (VIRTIO_F_INDIRECT_DESC).
  public var indirectDescriptors = true

  /// The driver may reset single queues (VIRTIO_F_RING_RESET).
  public var queueReset = true

  /// More than port 0, with names, and news of opening and closing (VIRTIO_CONSOLE_F_MULTIPORT).
  public var multiport = true

  /// All features but packed rings.
  public init() {}
}
