/// A guest's breach of the rules of one queue.
///
/// It puts the device in DEVICE_NEEDS_RESET (virtio 1.2, 2.1.2); the description goes to the log,
/// after the device's name.
package struct QueueFault: Error, Equatable, Sendable, CustomStringConvertible {
  /// The queue's number in its device.
  package let queue: Int
  /// The rule broken.
  package let violation: RingViolation

  package init(queue: Int, violation: RingViolation) {
    self.queue = queue
    self.violation = violation
  }

  package var description: String { "queue \(queue): \(violation)" }
}
