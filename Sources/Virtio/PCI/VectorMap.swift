/// Which MSI-X vector each of a device's events goes to (virtio 1.2, 4.1.5.1.2). The modern and the
/// legacy interface show the same one.
struct VectorMap {
  /// VIRTIO_MSI_NO_VECTOR: the event interrupts nobody.
  static let none: UInt16 = 0xffff

  /// How many queues there are.
  let queueCount: Int
  /// Of configuration changes.
  private(set) var configuration = none
  private let vectorCount: Int
  /// Sparse, since a device may have 65534 queues.
  private var queues: [Int: UInt16] = [:]

  init(queueCount: Int, vectorCount: Int) {
    self.queueCount = queueCount
    self.vectorCount = vectorCount
  }

  /// Of used buffers of queue `index`; none for a queue that is not there.
  func vector(ofQueue index: Int) -> UInt16 { queues[index] ?? Self.none }

  /// The driver's choice; a vector that does not exist reads back as none.
  mutating func setConfiguration(_ vector: UInt16) { configuration = checked(vector) }

  /// The driver's choice; nothing happens for a queue that is not there.
  mutating func set(_ vector: UInt16, ofQueue index: Int) {
    guard index >= 0, index < queueCount else { return }
    queues[index] = checked(vector)
  }

  /// No event goes anywhere.
  mutating func reset() {
    configuration = Self.none
    queues = [:]
  }

  private func checked(_ vector: UInt16) -> UInt16 {
    Int(vector) < vectorCount ? vector : Self.none
  }
}
