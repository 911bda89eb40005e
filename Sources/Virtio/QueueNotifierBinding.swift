/// Carries a driver's available-buffer notifications to the device's own thread.
///
/// Called on vCPU threads with the device's lock held; nothing here waits. Each notification ends
/// in `VirtioDevice.queueNotified` on the device's thread.
package protocol QueueNotifierBinding: AnyObject, Sendable {
  /// The notify register is at `address` now, a port's number or a guest address, or nowhere. Until
  /// the next `ring` every notification reaches user space.
  func place(_ register: NotifyRegister, at address: UInt64?)
  /// A notification that reached user space: passes it on, and may see to it that the next one
  /// does not come this way.
  func ring(queue: Int, through register: NotifyRegister)
}
