/// A set of virtio feature bits (virtio 1.2, 2.2 and 6).
package struct Features: OptionSet, Sendable, Hashable {
  /// Bit n is feature bit n.
  package let rawValue: UInt64

  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The feature with this bit number.
  package init(bit: Int) { rawValue = 1 << UInt64(bit) }

  /// VIRTIO_F_INDIRECT_DESC: a descriptor may refer to a table of descriptors.
  package static let indirectDescriptors = Features(bit: 28)
  /// VIRTIO_F_EVENT_IDX: each side names the index at which it wants to be notified.
  package static let eventIndex = Features(bit: 29)
  /// VIRTIO_F_VERSION_1: not a legacy driver.
  package static let version1 = Features(bit: 32)

  /// No mask: every bit there is.
  package static let all = Features(rawValue: .max)

  /// What every device here offers by itself: the features of its rings.
  package static let ring: Features = [.indirectDescriptors, .eventIndex, .version1]
}
