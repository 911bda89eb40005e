/// A set of virtio feature bits (virtio 1.2, 2.2 and 6).
package struct Features: OptionSet, Sendable, Hashable {
  /// Bit n is feature bit n.
  package let rawValue: UInt64

  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The feature with this bit number.
  package init(bit: Int) { rawValue = 1 << UInt64(bit) }

  /// VIRTIO_F_ANY_LAYOUT: a legacy driver may cut its buffers as it likes; virtio 1 drivers always
  /// may.
  package static let anyLayout = Features(bit: 27)
  /// VIRTIO_F_INDIRECT_DESC: a descriptor may refer to a table of descriptors.
  package static let indirectDescriptors = Features(bit: 28)
  /// VIRTIO_F_EVENT_IDX: each side names the index at which it wants to be notified.
  package static let eventIndex = Features(bit: 29)
  /// VIRTIO_F_VERSION_1: not a legacy driver.
  package static let version1 = Features(bit: 32)
  /// VIRTIO_F_RING_PACKED: queues are packed rings.
  package static let packedRing = Features(bit: 34)
  /// VIRTIO_F_RING_RESET: the driver may reset one queue while the device is live.
  package static let ringReset = Features(bit: 40)

  /// No mask: every bit there is.
  package static let all = Features(rawValue: .max)

  /// What every device here offers by itself: the features of its rings.
  package static let ring: Features = [
    .indirectDescriptors, .eventIndex, .version1, .packedRing, .ringReset,
  ]
  /// The bits that a legacy driver sees (virtio 1.2, 2.2.3).
  package static let legacy = Features(rawValue: 0xffff_ffff)
  /// The bits whose meaning is up to the device type (virtio 1.2, 2.2).
  package static let deviceType = Features(rawValue: 0xfffc_0000_00ff_ffff)

  /// Which features mean something only together with another: those a legacy driver cannot see
  /// need VERSION_1.
  private static let prerequisites: [(features: Features, need: Features)] = [
    (all.subtracting(legacy).subtracting(version1), version1)
  ]

  /// The set without the features that need one which is not in it (virtio 1.2, 2.2.1).
  package var withoutUnmetPrerequisites: Features {
    Self.prerequisites.reduce(self) { set, rule in
      set.isSuperset(of: rule.need) ? set : set.subtracting(rule.features)
    }
  }
}
